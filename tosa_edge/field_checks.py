"""What each field of a file may hold: small checks that return the value or raise ValueError.

The one check of what is read from elsewhere: manifests, recipes, what checkpoints and graphs say of
themselves.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields
from typing import Any

from tosa_edge.strict_json import readable

Check = Callable[[Any], Any]
_HEX = frozenset(string.digits + "abcdef")
_LONGEST = 4096  # as long as a path may be


def text(value: Any) -> str:
    if not isinstance(value, str) or not value or len(value) > _LONGEST or not readable(value):
        raise ValueError("is not a line of text")
    return value


def line(value: Any) -> str:
    """As `text`, and may be empty."""
    return text(value) if value != "" else ""


def file_name(value: Any) -> str:
    """A name that becomes a folder's: no path, nothing hidden, no ending."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,63}", value):
        raise ValueError("is not a name of letters, digits, spaces, _ and -, at most 64")
    return value


def sha256(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 64 or not set(value) <= _HEX:
        raise ValueError("is not a sha256 in lower-case hexadecimal")
    return value


def integer(least: int, most: int) -> Check:
    def check(value: Any) -> int:
        # True is an int to Python, and no count.
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"is not a whole number from {least} to {most}")
        return value

    return check


def number(least: float, most: float) -> Check:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            raise ValueError(f"is not a number from {least:g} to {most:g}")
        return float(value)

    return check


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is not true or false")
    return value


def one_of(allowed: Iterable[str]) -> Check:
    names = tuple(allowed)

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            raise ValueError(f"is not one of {', '.join(names)}")
        return value

    return check


def optional(inner: Check) -> Check:
    return lambda value: None if value is None else inner(value)


def list_of(inner: Check, most: int = 64) -> Check:
    """A list, as a tuple."""

    def check(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)) or len(value) > most:
            raise ValueError(f"is not a list of at most {most}")
        return tuple(inner(item) for item in value)

    return check


def pair(inner: Check) -> Check:
    def check(value: Any) -> tuple[Any, Any]:
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise ValueError("is not a list of two")
        return inner(value[0]), inner(value[1])

    return check


def mapping(inner: Check, most: int = 64) -> Check:
    """An object with keys of the writer's own."""

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) > most:
            raise ValueError(f"is not an object of at most {most} entries")
        return {text(key): inner(item) for key, item in value.items()}

    return check


def setting(value: Any) -> Any:
    """A plain value: yes or no, a number, a line of text, or nothing."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return integer(-(2**63), 2**63)(value)
    return number(-1e300, 1e300)(value) if isinstance(value, float) else text(value)


def exact_fields(raw: Any, checks: dict[str, Check]) -> dict[str, Any]:
    """Exactly the fields of `checks`, each checked; the first fault is named."""
    if not isinstance(raw, dict):
        raise ValueError("is not an object")
    for name in checks:
        if name not in raw:
            raise ValueError(f"the field {name!r} is missing")
    for name in raw:
        if name not in checks:
            raise ValueError(f"the field {name[:40]!a} is not known")
    found = {}
    for name, check in checks.items():
        try:
            found[name] = check(raw[name])
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None
    return found


def dataclass_from(kind: type, raw: Any, checks: dict[str, Check]) -> Any:
    """A dataclass from an object that may leave out what has a default."""
    if not isinstance(raw, dict):
        raise ValueError(f"{kind.__name__.lower()} is not a table")
    unknown = sorted(str(name) for name in raw.keys() - checks.keys())
    if unknown:
        raise ValueError(f"{kind.__name__.lower()} has no {', '.join(unknown)[:200]!a}")
    given = {f.name: f.default for f in fields(kind) if f.default is not MISSING}
    return kind(**exact_fields({**given, **raw}, checks))
