"""The floor plan: what rooms there are, how large, and what opens between them."""

from __future__ import annotations

import numpy as np

from .room import Rectangle, Room

KINDS = {"living": 0.27, "office": 0.22, "kitchen": 0.24, "bedroom": 0.09, "dining": 0.10, "corridor": 0.08}
LONGEST = 9.0  # metres
OPEN_PLAN = 0.4  # of the houses whose main room may be open to the next one


def main_room(rng: np.random.Generator) -> Room:
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    return Room((0, 0, *_floor(kind, rng)), rng.uniform(2.3, 3.0), kind)


def _floor(kind: str, rng) -> tuple[float, float]:
    """Width and length; living rooms, dining rooms and offices are long-tailed, the others compact."""
    if kind == "kitchen":
        sides = rng.uniform([2.2, 2.6], [4.5, 5.0])
    elif kind == "corridor":
        sides = rng.uniform([1.2, 4.0], [2.2, 9.0])
    elif kind == "bedroom":
        sides = rng.uniform(2.8, 5.0, 2)
    else:
        sides = np.minimum(np.array([2.8, 3.2]) + rng.gamma(2, [0.7, 1.4]), LONGEST)
    short, long = (float(side) for side in sides)
    return (short, long) if rng.random() < 0.5 else (long, short)


def is_open_plan(room: Room, rng) -> bool:
    return room.kind in ("living", "dining", "office", "kitchen") and rng.random() < OPEN_PLAN


def door_hole(length: float, rng) -> Rectangle:
    width = rng.uniform(0.75, 1.0) if rng.random() < 0.75 else rng.uniform(1.1, 1.8)
    width = min(width, length - 0.3)
    start = rng.uniform(0.1, length - width - 0.1)
    return start, 0.0, start + width, rng.uniform(1.95, 2.15)


def open_hole(room: Room, index: int, rng) -> Rectangle:
    """A passage of two to four metres without a leaf, under a beam."""
    length = room.wall(index)[3]
    width = min(rng.uniform(2.0, 4.0), length - 0.3)
    start = rng.uniform(0.1, length - width - 0.1)
    return start, 0.0, start + width, room.height - rng.uniform(0.1, 0.35)


def window_holes(length: float, rng) -> list[Rectangle]:
    """One or two windows of a size; one in five reaches nearly to the floor."""
    low, high = (rng.uniform(0.8, 1.15), rng.uniform(1.9, 2.25))
    if rng.random() < 0.2:
        low = 0.1
    count = int(rng.integers(1, 3)) if length > 3 else 1
    width = min(rng.uniform(0.7, 2.0), length / count - 0.4)
    middles = [length * (i + 0.5) / count for i in range(count)]
    return [(middle - width / 2, low, middle + width / 2, high) for middle in middles]


def neighbour(room: Room, index: int, hole: Rectangle, alone: bool, is_open: bool, rng) -> Room:
    """A room behind wall index whose own wall has the same opening.

    Unless it is alone it stays behind that wall, so as not to run into a neighbour round the corner.
    """
    start, along, inward, length = room.wall(index)
    deep = rng.uniform(3.0, 6.0) if is_open else rng.uniform(1.3, 5.0)
    low, high = hole[0] - rng.uniform(0.1, 2.0), hole[2] + rng.uniform(0.1, 2.0)
    if not alone:
        low, high = max(low, 0.0), min(high, length)
    corners = [start + along * s - inward * away for s, away in ((low, 0.14), (high, 0.14 + deep))]
    (x0, y0), (x1, y1) = np.min(corners, axis=0), np.max(corners, axis=0)
    kinds = ["living", "dining", "kitchen"] if is_open else ["living", "office", "bedroom", "corridor"]
    kind = str(rng.choice(kinds))
    return Room((float(x0), float(y0), float(x1), float(y1)), room.height, kind)
