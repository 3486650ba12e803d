"""As much of HTTP/1.1 as a page for one robot needs: one request for each connection, read strictly."""

from __future__ import annotations

import re
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


class Refused(Exception):
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
        raise Refused(HTTPStatus.BAD_REQUEST) from None
    if version not in ("HTTP/1.0", "HTTP/1.1") or not target.startswith("/") or not target.isprintable():
        raise Refused(HTTPStatus.BAD_REQUEST)
    return Request(method, path, asked, _headers(lines))


def _headers(lines: list[str]) -> dict[str, str]:
    """No header twice: which of the two would count is what attackers ask."""
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name, value = name.lower(), value.strip(" \t")
        if not colon or not _NAME.fullmatch(name) or not value.isprintable() or name in found:
            raise Refused(HTTPStatus.BAD_REQUEST)
        found[name] = value
    return found
