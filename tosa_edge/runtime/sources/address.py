"""What stands behind a scheme: `csi://0?size=1280x720&fps=30` is the place `0` and two options."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tosa_edge.errors import TosaEdgeError


def read_address(spec: str, **known: Callable[[str], Any]) -> tuple[str, dict[str, Any]]:
    """The place, and the options that were given, each read by its function in `known`."""
    parts = urlsplit(spec)
    options = {}
    for name, text in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known:
            raise TosaEdgeError(
                f"{spec}: there is no option {name!r}", f"Known here: {', '.join(sorted(known))}."
            )
        try:
            options[name] = known[name](text)
        except ValueError as error:
            raise TosaEdgeError(f"{spec}: {name}={text} is wrong", f"{error}.") from None
    return parts.netloc + parts.path, options


def size(text: str) -> tuple[int, int]:
    """Width and height, from `1280x720`."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not match or "0" in (match[1], match[2]):
        raise ValueError("Give it as WIDTHxHEIGHT, such as 1280x720")
    return int(match[1]), int(match[2])


def whole(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise ValueError("Give a whole number from 0 on")
    return int(text)


def rate(text: str) -> float:
    """Frames a second; 0 is for the source to explain."""
    if not re.fullmatch(r"\d{1,4}(\.\d{1,3})?", text):
        raise ValueError("Give frames a second, such as 30 or 29.97")
    return float(text)


def without_password(text: str) -> str:
    """What may be printed of a text with addresses in it."""
    return re.sub(r"(\w+://[^/@:\s]*):[^/\s]*@", r"\1:***@", text)
