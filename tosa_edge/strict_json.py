"""JSON that somebody else may have written: read without trust.

Python's reader takes what no manifest and no calibration table should hold: a key twice (the last wins,
silently), NaN, numbers that become infinite, numbers of a million digits, nesting that ends the interpreter.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MAX_BYTES = 1 << 20


def read_object(data: bytes | str, most: int = MAX_BYTES) -> dict[str, Any]:
    """The JSON object in `data`; raises ValueError with one line that says what is wrong with it."""
    if len(data) > most:
        raise ValueError(f"it is larger than {most:,} bytes")
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("it is not text") from None
    try:
        raw = json.loads(
            text,
            object_pairs_hook=_once_each,
            parse_constant=_not_finite,
            parse_float=_finite,
            parse_int=_short,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON (line {error.lineno}, column {error.colno})") from None
    if not isinstance(raw, dict):
        raise ValueError("it is not a JSON object")
    return raw


def readable(text: str) -> bool:
    """Whether `text` can be shown as it is: one line, nothing that steers a terminal."""
    return text.isprintable()


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key!a} is given twice"[:200])
        found[key] = value
    return found


def _short(text: str) -> int:
    if len(text) > 40:  # Python takes its time over long ones, and sets its own limit elsewhere
        raise ValueError(f"it holds a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _not_finite(text)
    return value


def _not_finite(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is not a finite number")
