"""What a user's word for a source means: files by pattern or `file://`, and what stands behind a scheme:
`csi://0?size=1280x720&fps=30` is the place `0` and two options."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from tosa_edge.errors import TosaEdgeError


def expanded(spec: str) -> list[str]:
    """The paths that `file://` or a pattern such as `photos/*.jpg` means; anything else as it is."""
    if spec.startswith("file://"):
        parts = split(spec)
        if parts.netloc not in ("", "localhost"):
            raise TosaEdgeError(f"{spec} is on another machine", "Write file:///PATH, with three slashes.")
        return [unquote(parts.path)]
    if "://" in spec or spec.startswith("gst:") or os.path.exists(spec) or not glob.has_magic(spec):
        return [spec]
    found = [path for path in glob.glob(spec, recursive=True) if os.path.isfile(path)]
    if not found:
        raise TosaEdgeError(f"no file matches {spec}", "Check the pattern; `ls` shows what is there.")
    return sorted(found, key=lambda path: natural(Path(path)))


def folders_of(spec: str) -> set[Path]:
    """Where the files lie that a pattern matches; none of anything else."""
    found = [] if spec.startswith("file://") else expanded(spec)
    return {Path(path).parent for path in found if path != spec}


def split(spec: str) -> SplitResult:
    try:
        return urlsplit(spec)
    except ValueError as error:
        raise TosaEdgeError(
            f"{without_password(spec)} is no address: {error}", "Square brackets hold an IPv6 address."
        ) from None


def natural(path: Path) -> list[tuple[int, int, str]]:
    """Sorts `frame9` before `frame10`."""
    parts = re.findall(r"\d+|\D+", path.name.lower())
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts]


def read_address(spec: str, **known: Callable[[str], Any]) -> tuple[str, dict[str, Any]]:
    """The place, and the options that were given, each read by its function in `known`."""
    parts = split(spec)
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
    try:
        return two_sides(text)
    except ValueError:
        raise ValueError("Give it as WIDTHxHEIGHT, such as 1280x720") from None


def two_sides(text: str) -> tuple[int, int]:
    """`252x336`, whichever of them is the height. Raises ValueError."""
    match = re.fullmatch(r"0*([1-9][0-9]{0,4})x0*([1-9][0-9]{0,4})", text)
    if not match:
        raise ValueError("is not two numbers from 1 on with an x between them")
    return int(match[1]), int(match[2])


def natural_number(text: str) -> int:
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
