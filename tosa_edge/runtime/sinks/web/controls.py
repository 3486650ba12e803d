"""What viewers may change: how the page shows depth. The run and what it records stay as they are."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from tosa_edge.pictures.colour import COLOUR_MAPS
from tosa_edge.strict_json import read_object


@dataclass(frozen=True)
class Controls:
    """near, far: the ends of the colours in the depth's own unit; both None follow the frames."""

    paused: bool = False
    colour_map: str = COLOUR_MAPS[0]
    near: float | None = None
    far: float | None = None

    def changed(self, data: bytes) -> Controls:
        """These with what a JSON object changes of them. Raises ValueError with one line."""
        asked = read_object(data)
        known = [f.name for f in fields(self)]
        if unknown := [key for key in asked if key not in known]:
            raise ValueError(f"there is no control {unknown[0]!a:.60}; there are {', '.join(known)}")
        new = replace(self, **asked)
        if not isinstance(new.paused, bool):
            raise ValueError("paused is neither true nor false")
        if new.colour_map not in COLOUR_MAPS:
            raise ValueError(f"colour_map is not one of {', '.join(COLOUR_MAPS)}")
        if not (new.near is None and new.far is None) and not (_number(new.near) and _number(new.far)):
            raise ValueError("near and far are not two numbers, or both null")
        return new


def _number(value: Any) -> bool:
    """True is an int to Python, and no distance."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e6
