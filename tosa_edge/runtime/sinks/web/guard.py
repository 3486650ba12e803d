"""Who may ask. On loopback everybody on this machine; elsewhere, those who know the token.

A browser on this machine also carries out what pages from elsewhere tell it to. So on loopback the name it
was asked for must be a loopback name (a foreign name that was pointed here is DNS rebinding), and what one
page asks of another is refused; changing anything takes a header that pages from elsewhere cannot send.
"""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
import re
import secrets
import socket
from collections.abc import Mapping
from http import HTTPStatus

from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime.sinks.web.http import HttpError, Request

CONTROL_HEADER = "x-tosa-edge"
_HOST = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]+))(?::\d+)?")


class Guard:
    """
    Args:
        token: None lets everybody in who comes by a loopback name.
        port: of the server; cookies do not tell ports apart, so it is part of the cookie's name.
    """

    def __init__(self, token: str | None, port: int) -> None:
        self.token = token
        self._cookie = f"tosa_edge_{port}"

    def admit(self, request: Request) -> None:
        """Raises HttpError."""
        if self.token is not None:
            if not any(hmac.compare_digest(key.encode(), self.token.encode()) for key in self._keys(request)):
                raise HttpError(HTTPStatus.UNAUTHORIZED)
        elif not _loopback_name(request.headers.get("host", "")):
            raise HttpError(
                HTTPStatus.FORBIDDEN, "Ask for this page as http://127.0.0.1 or http://localhost."
            )
        from_elsewhere = request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        if from_elsewhere and request.path != "/":  # a link to the page may stand anywhere
            raise HttpError(HTTPStatus.FORBIDDEN, "Pages from elsewhere may not ask this.")

    def admit_control(self, request: Request) -> None:
        """What changes something, beyond `admit`. Raises HttpError."""
        origin = request.headers.get("origin")
        if CONTROL_HEADER not in request.headers:
            raise HttpError(HTTPStatus.FORBIDDEN, f"The header {CONTROL_HEADER} is missing.")
        if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
            raise HttpError(HTTPStatus.FORBIDDEN, "Pages from elsewhere may not ask this.")

    def cookie(self, request: Request) -> Mapping[str, str]:
        """The header that spares a browser the token in every address, for who came with one."""
        if self.token is None or "token" not in request.query:
            return {}
        return {"Set-Cookie": f"{self._cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"}

    def _keys(self, request: Request) -> list[str]:
        keys = [request.query.get("token", "")]
        keys.append(request.headers.get("authorization", "").removeprefix("Bearer "))
        for pair in request.headers.get("cookie", "").split(";"):
            name, _, value = pair.strip().partition("=")
            if name == self._cookie:
                keys.append(value)
        return keys


def token_for(loopback: bool, given: str | None) -> str | None:
    """The given one, a new one where strangers could come, none on loopback."""
    if given is not None and not re.fullmatch("[A-Za-z0-9_-]{16,128}", given):
        raise TosaEdgeError(
            "that token is not 16 to 128 letters, digits, - and _",
            "Leave it out and one is made, or make one with `openssl rand -hex 16`.",
        )
    return given if given is not None or loopback else secrets.token_urlsafe(24)


def _loopback_name(host: str) -> bool:
    """Whether a Host header names this machine to itself; any port, for tunnels."""
    found = _HOST.fullmatch(host)
    name = (found[1] or found[2]).lower() if found else ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at one address. IPv6 too; a name means the first address it stands for."""
    if not 0 <= port < 1 << 16:
        raise TosaEdgeError(f"{port} is no port", "Give a --port up to 65535, or 0 for any that is free.")
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise TosaEdgeError(
            f"{host!r} port {port} is no address to serve at ({error})",
            "Give --host an address of this machine; 0.0.0.0 is all of them.",
        ) from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        raise TosaEdgeError(
            f"nothing can be served at {host} port {port}: {(error.strerror or str(error)).lower()}",
            "Give another --port (0 takes any free one) or --host.",
        ) from None
    return listener


def is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def name_for_people(address: str, family: int) -> str:
    """The URL's host: for a wildcard address, the local address of the default route."""
    if ipaddress.ip_address(address.partition("%")[0]).is_unspecified:
        # Connecting a datagram socket sends nothing; it only makes the system choose a way.
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        return socket.gethostname()
    return f"[{address}]" if family == socket.AF_INET6 else address
