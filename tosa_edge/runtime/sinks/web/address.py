"""Where to listen, whether only this machine can come there, and what to call it."""

from __future__ import annotations

import contextlib
import ipaddress
import socket

from tosa_edge.errors import TosaEdgeError


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
    """What to write into a browser for it: of all addresses, the one by which this machine leaves home."""
    if ipaddress.ip_address(address.partition("%")[0]).is_unspecified:
        # Connecting a datagram socket sends nothing; it only makes the system choose a way.
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        return socket.gethostname()
    return f"[{address}]" if family == socket.AF_INET6 else address
