"""The calibration table: tensor -> range, with what it was measured on, as JSON.

It decides what every number of an INT8 model means, so a damaged or edited one must not pass: the text
carries the digest of its own content, and is read strictly.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from dataclasses import asdict, dataclass, fields
from typing import Any

from tosa_edge.calibration.ranges import METHODS, Range
from tosa_edge.strict_json import read_object

FORMAT = 1
MOST_BYTES = 1 << 22
_DIGEST = re.compile(r"[0-9a-f]{64}")
# Within these a range divided into 255 steps is a normal float32.
_SMALLEST, _LARGEST = 1e-30, 1e30
IMPORTED = "imported"


@dataclass(frozen=True)
class Table:
    """Ranges of one graph's activations.

    Args:
        model: SHA-256 of the complete graph that was run.
        data: SHA-256 of the pictures as the graph saw them; empty for an imported table.
        method: how the ranges were found, or `imported`.
    """

    model: str
    data: str
    images: int
    method: str
    ranges: dict[str, Range]

    @property
    def digest(self) -> str:
        return hashlib.sha256(self._content().encode()).hexdigest()

    def to_json(self) -> str:
        return json.dumps({**json.loads(self._content()), "digest": self.digest}, indent=1, sort_keys=True)

    def _content(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True, ensure_ascii=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Table:
        """Raises ValueError, with the reason, for anything that `to_json` would not have written."""
        raw = read_object(text, MOST_BYTES)
        if raw.get("format") != FORMAT or isinstance(raw.get("format"), bool):
            raise ValueError(f"its format is {str(raw.get('format'))[:40]!r}, this version reads {FORMAT}")
        wanted = {f.name for f in fields(cls)} | {"format", "digest"}
        if set(raw) != wanted:
            odd = sorted(set(raw) ^ wanted)[0]
            raise ValueError(f"{odd[:40]!r} is {'missing' if odd in wanted else 'not known'}")
        if not isinstance(raw["ranges"], dict):
            raise ValueError("`ranges` is not an object")
        ranges = {name: _range(name, ends) for name, ends in raw["ranges"].items()}
        table = cls(raw["model"], raw["data"], raw["images"], raw["method"], ranges)
        table.check()
        if raw["digest"] != table.digest:
            raise ValueError("it was changed after it was written")
        return table

    def check(self) -> None:
        """Raises ValueError on what cannot be true."""
        imported = self.method == IMPORTED
        if not isinstance(self.method, str) or self.method not in (*METHODS, IMPORTED):
            raise ValueError("`method` is not one of ours")
        for name, value in (("model", self.model), ("data", "0" * 64 if imported else self.data)):
            if not isinstance(value, str) or not _DIGEST.fullmatch(value):
                raise ValueError(f"`{name}` is not a SHA-256")
        least = 0 if imported else 1
        if not isinstance(self.images, int) or isinstance(self.images, bool) or self.images < least:
            raise ValueError("`images` is not a number of pictures")
        if imported and (self.data or self.images):
            raise ValueError("an imported table names no pictures")
        if not self.ranges:
            raise ValueError("it holds no ranges")


def from_calibration_cache(text: str, model: str) -> Table:
    """A TensorRT calibration cache, which ModelOpt writes too, as a table for the graph `model`.

    A line of it is `TENSOR: SCALE`, the scale a big-endian float32 in hexadecimal, 127 of which are the end
    of a symmetric range. It does not say what it was made from: the caller vouches for the graph.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or not lines[0].startswith("TRT-"):
        raise ValueError("its first line is not TensorRT's")
    ranges: dict[str, Range] = {}
    for line in lines[1:]:
        name, _, scale = line.rpartition(": ")
        if not name or not re.fullmatch(r"[0-9a-fA-F]{8}", scale) or name in ranges:
            raise ValueError(f"the line {line[:60]!r} is not TENSOR: SCALE, or comes twice")
        end = 127 * struct.unpack(">f", bytes.fromhex(scale))[0]
        ranges[name] = _range(name, [-end, end])
    table = Table(model, "", 0, IMPORTED, ranges)
    table.check()
    return table


def _range(name: str, ends: Any) -> Range:
    good = isinstance(ends, list) and len(ends) == 2 and all(isinstance(e, float) for e in ends)
    if good and all(math.isfinite(e) for e in ends):
        low, high = ends
        if low <= 0 <= high and high - low >= _SMALLEST and max(-low, high) <= _LARGEST:
            return low, high
    raise ValueError(f"the range of {name[:60]!r} is not [low, high] around zero")
