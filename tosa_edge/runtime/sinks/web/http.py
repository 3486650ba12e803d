"""As much of HTTP/1.1 as a page for one robot needs: one request for each connection, read strictly."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ALWAYS = {
    "Connection": "close",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}


class HttpError(Exception):
    """What is wrong with a request, as a status and a line."""

    def __init__(self, status: HTTPStatus, text: str = "") -> None:
        super().__init__(text)
        self.status, self.text = status, text


@dataclass(frozen=True)
class Request:
    """Header names are in lower case. `path` is as it was sent: nothing is decoded, nothing resolved."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Response:
    body: bytes = b""
    kind: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        length = {"Content-Length": str(len(self.body))}
        return head(self.kind, {**self.headers, **length}, self.status) + self.body


def head(kind: str, headers: Mapping[str, str], status: HTTPStatus = HTTPStatus.OK) -> bytes:
    """The status line and the headers of an answer."""
    lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
    lines += [f"{name}: {value}" for name, value in {**_ALWAYS, "Content-Type": kind, **headers}.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def parsed(data: bytes) -> Request:
    """A request line and headers, without the empty line that ends them."""
    try:
        first, *lines = data.decode("ascii").split("\r\n")
        method, target, version = first.split(" ")
        path, _, query = target.partition("?")
        asked = dict(parse_qsl(query, max_num_fields=8))
    except ValueError:
        raise HttpError(HTTPStatus.BAD_REQUEST) from None
    if version not in ("HTTP/1.0", "HTTP/1.1") or not target.startswith("/") or not target.isprintable():
        raise HttpError(HTTPStatus.BAD_REQUEST)
    return Request(method, path, asked, _headers(lines))


def _headers(lines: list[str]) -> dict[str, str]:
    """Rejects duplicate headers: parsers disagree on which one counts (request smuggling)."""
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name, value = name.lower(), value.strip(" \t")
        if not colon or not _NAME.fullmatch(name) or not value.isprintable() or name in found:
            raise HttpError(HTTPStatus.BAD_REQUEST)
        found[name] = value
    return found


MOST_HEAD, MOST_BODY = 8192, 1024
# Deadline for receiving a complete request: limits slow clients.
REQUEST_S = 5.0
# A viewer that takes longer for one picture is cut off.
SEND_S = 10.0
# What waits in its socket is what a viewer lags behind.
_WAITING_BYTES = 1 << 18
_BOUNDARY = "frame"


class Connection:
    """`admitted`: the client has shown that it may ask."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._rest = b""
        self._deadline = time.monotonic() + REQUEST_S
        self.admitted = False
        with contextlib.suppress(OSError):  # a client may be gone again by now
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _WAITING_BYTES)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # a viewer whose cable was pulled
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(2000 * SEND_S))

    def read_head(self) -> Request:
        data = b""
        while b"\r\n\r\n" not in data:
            if len(data) > MOST_HEAD:
                raise HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            data += self._receive()
        first, _, self._rest = data.partition(b"\r\n\r\n")
        return parsed(first)

    def read_body(self, request: Request) -> bytes:
        length = request.headers.get("content-length", "")
        if "transfer-encoding" in request.headers or not re.fullmatch("[0-9]{1,9}", length):
            raise HttpError(HTTPStatus.LENGTH_REQUIRED)
        if int(length) > MOST_BODY:
            raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        while len(self._rest) < int(length):
            self._rest += self._receive()
        return self._rest[: int(length)]

    def send(self, response: Response) -> None:
        self._send(response.encoded())

    def begin_multipart(self, headers: Mapping[str, str]) -> None:
        """An endless answer in parts: browsers and OpenCV show the pictures among them as a video."""
        kind = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
        self._send(head(kind, headers) + f"--{_BOUNDARY}\r\n".encode())

    def send_part(self, name: str, kind: str, body: bytes) -> None:
        first = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\nX-Name: {name}\r\n\r\n"
        self._send(first.encode() + body + f"\r\n--{_BOUNDARY}\r\n".encode())

    def gone(self) -> bool:
        """Whether the other side has hung up."""
        self._socket.settimeout(0)
        try:
            return not self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def cut(self) -> None:
        """Ends it from another thread: whoever reads or sends now gets an error."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Lets the other side read the answer: closing over unread bytes would reset the connection."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            self._socket.settimeout(0.2)
            for _ in range(8):
                if not self._socket.recv(1 << 16):
                    break
        self._socket.close()

    def _receive(self) -> bytes:
        self._socket.settimeout(max(self._deadline - time.monotonic(), 0.001))
        try:
            data = self._socket.recv(4096)
        except TimeoutError:
            raise HttpError(HTTPStatus.REQUEST_TIMEOUT) from None
        if not data:
            raise ConnectionResetError
        return data

    def _send(self, data: bytes) -> None:
        self._socket.settimeout(SEND_S)
        self._socket.sendall(data)  # which takes its time limit for all of the data, not for each piece
