"""A client that speaks to the page's server byte by byte, as well or as badly as a test wants."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PATIENCE_S = 20


def connect(url: str) -> socket.socket:
    at = urlsplit(url)
    return socket.create_connection((at.hostname, at.port), PATIENCE_S)


def everything(sock: socket.socket) -> bytes:
    """All that comes until the other side closes; what came before a reset counts."""
    data = b""
    try:
        while more := sock.recv(1 << 16):
            data += more
    except ConnectionResetError:
        pass
    sock.close()
    return data


def raw(url: str, request: bytes) -> bytes:
    """The answer to these bytes."""
    sock = connect(url)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may hang up before we are done
        sock.sendall(request)
    return everything(sock)


def request(method: str, path: str, host: str = "127.0.0.1", body: bytes = b"", **headers: str) -> bytes:
    """Underscores in header names stand for dashes; an empty value leaves a header out."""
    lines = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    if body:
        lines.setdefault("Content-Length", str(len(body)))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def ask(url: str, method: str, path: str, **more: Any) -> tuple[int, dict[str, str], bytes]:
    """Status (0 when not a byte came), headers, body."""
    answer = raw(url, request(method, path, **more))
    if not answer:
        return 0, {}, b""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body


def control(url: str, **change: Any) -> tuple[int, bytes]:
    status, _, body = ask(
        url,
        "POST",
        "/control",
        body=json.dumps(change).encode(),
        Content_Type="application/json",
        X_Tosa_Edge="control",
    )
    return status, body


class Viewer:
    """Reads the parts of an endless answer."""

    def __init__(self, url: str, path: str = "/live", **headers: str) -> None:
        self.socket = connect(url)
        self.socket.sendall(request("GET", path, **headers))
        self._data = b""
        self.head = self._until(b"\r\n\r\n").decode()

    def parts(self) -> Iterator[tuple[str, bytes]]:
        while True:
            head = self._until(b"\r\n\r\n").decode()
            length = int(re.search(r"Content-Length: (\d+)", head)[1])
            while len(self._data) < length:
                self._more()
            body, self._data = self._data[:length], self._data[length:]
            yield re.search(r"X-Name: (\w+)", head)[1], body

    def next(self, name: str) -> bytes:
        return next(body for found, body in self.parts() if found == name)

    def numbers(self) -> dict[str, Any]:
        return json.loads(self.next("numbers"))

    def close(self) -> None:
        self.socket.close()

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._data:
            self._more()
        found, _, self._data = self._data.partition(mark)
        return found

    def _more(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError
        self._data += data


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def web_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("tosa-edge")]


def page_files() -> list[str]:
    """What lies beside the page, none of which but the page itself is anybody's business."""
    import tosa_edge.runtime.sinks.web as web

    return os.listdir(Path(web.__file__).parent)
