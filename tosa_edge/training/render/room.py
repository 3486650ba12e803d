"""A room while it is put together: its walls by number, its free floor, what is on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from .mesh import Material, Mesh, box, place, quad
from .scene import Light

Rectangle = tuple[float, float, float, float]  # x0, y0, x1, y1


@dataclass
class Room:
    """A furnished box while it is being put together."""

    bounds: Rectangle
    height: float
    kind: str
    meshes: list[Mesh] = field(default_factory=list)
    lights: list[Light] = field(default_factory=list)
    taken: list[Rectangle] = field(default_factory=list)  # floor that nothing may stand on
    blocked_walls: list[tuple[int, float, float]] = field(default_factory=list)  # wall, from, to
    surfaces: list[tuple[Rectangle, float, int]] = field(
        default_factory=list
    )  # where, height, how many things
    opened: tuple[int, float, float] | None = None  # wall, from, to, where it is open to the next room
    thin: list[np.ndarray] = field(default_factory=list)  # middles of things with thin parts

    def wall(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Start, direction along, direction inwards and length of wall 0..3, counter-clockwise."""
        x0, y0, x1, y1 = self.bounds
        start = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)][index])
        along = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)][index], float)
        return start, along, np.array([-along[1], along[0]]), (x1 - x0 if index % 2 == 0 else y1 - y0)

    def free(self, rectangle: Rectangle, gap: float = 0.0) -> bool:
        x0, y0, x1, y1 = rectangle
        bx0, by0, bx1, by1 = self.bounds
        if x0 < bx0 or y0 < by0 or x1 > bx1 or y1 > by1:
            return False
        return all(
            x1 + gap <= a or x0 - gap >= c or y1 + gap <= b or y0 - gap >= d for a, b, c, d in self.taken
        )

    def wall_free(self, index: int, start: float, end: float) -> bool:
        return all(w != index or end <= a or start >= b for w, a, b in self.blocked_walls)


def upright(point, z: float) -> np.ndarray:
    return np.array([point[0], point[1], z])


def wall_with_holes(room: Room, index: int, holes: list[Rectangle], material: Material) -> list[Mesh]:
    """Quads of a wall around its holes, each (from, low, to, high) along and up the wall."""
    start, along, _, length = room.wall(index)
    cuts_s = sorted({0.0, length, *(h[0] for h in holes), *(h[2] for h in holes)})
    cuts_z = sorted({0.0, room.height, *(h[1] for h in holes), *(h[3] for h in holes)})
    pieces = []
    for s0, s1 in pairwise(cuts_s):
        for z0, z1 in pairwise(cuts_z):
            s, z = (s0 + s1) / 2, (z0 + z1) / 2
            if not any(h[0] < s < h[2] and h[1] < z < h[3] for h in holes):
                pieces.append(
                    quad(
                        upright(start + along * s0, z0),
                        upright(along * (s1 - s0), 0),
                        (0, 0, z1 - z0),
                        material,
                    )
                )
    return pieces


def on_wall(room: Room, index: int, low, high, material: Material) -> Mesh:
    """A box given along, out of and up the wall: (s, inwards, z) corners."""
    start, along, _, _ = room.wall(index)
    yaw = np.arctan2(along[1], along[0])
    return place(box(low, high, material), upright(start, 0), yaw)
