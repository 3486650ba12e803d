"""Where a piece of furniture finds room: with its back to a wall, or out in the open."""

from __future__ import annotations

import numpy as np

from .mesh import Mesh, place
from .room import Room, upright


def footprint(mesh: Mesh) -> tuple[float, float, float, float]:
    low, high = mesh.low, mesh.high
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def put(room: Room, mesh: Mesh, gap: float = 0.02) -> bool:
    """Adds a placed mesh when its floor is free."""
    if mesh.high[2] > room.height - 0.02 or not room.free(footprint(mesh), gap):
        return False
    room.taken.append(footprint(mesh))
    room.meshes.append(mesh)
    return True


def against_wall(room: Room, mesh: Mesh, rng, tries: int = 14, wall: int | None = None) -> Mesh | None:
    """Stands a mesh with its back to a wall, off doors, and off windows when it is tall."""
    width, depth, tall = mesh.size
    for _ in range(tries):
        index = int(rng.integers(4)) if wall is None else wall
        start, along, inward, length = room.wall(index)
        if width > length - 0.04:
            continue
        s = rng.uniform(width / 2 + 0.02, length - width / 2 - 0.02)
        if tall > 1.0 and not room.wall_free(index, s - width / 2, s + width / 2):
            continue
        # A mesh faces -y, so its back is at +y; turn +y to point at the wall.
        yaw = np.arctan2(-inward[1], -inward[0]) - np.pi / 2
        spot = start + along * s + inward * (depth / 2 + 0.02 + rng.uniform(0, 0.04))
        stood = place(mesh, upright(spot, 0), yaw)
        if put(room, stood):
            return stood
    return None


def in_the_open(room: Room, mesh: Mesh, rng, tries: int = 14, square: bool = True) -> Mesh | None:
    x0, y0, x1, y1 = room.bounds
    for _ in range(tries):
        yaw = rng.integers(4) * np.pi / 2 + rng.normal(0, 0.06) if square else rng.uniform(0, 2 * np.pi)
        stood = place(mesh, upright(rng.uniform([x0, y0], [x1, y1]), 0), yaw)
        if put(room, stood, gap=0.1):
            return stood
    return None


def top(room: Room, mesh: Mesh | None, count: int) -> None:
    """Marks the top of a table as a place for things."""
    if mesh is not None:
        room.surfaces.append((footprint(mesh), float(mesh.high[2]), count))
