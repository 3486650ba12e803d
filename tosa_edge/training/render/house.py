"""Draws a house: a room to photograph, the rooms behind its doors, their walls and lamps."""

from __future__ import annotations

import numpy as np

from . import paint
from .mesh import Material, box, quad
from .openings import add_door, add_window
from .room import Rectangle, Room, on_wall, wall_with_holes
from .scene import Light
from .textures import Photos


def add_lamp(room: Room, rng, spot: np.ndarray | None = None) -> None:
    """A panel on the ceiling or a hanging lamp, from warm to cool white."""
    x0, y0, x1, y1 = room.bounds
    x, y = (
        spot if spot is not None else ((x0 + x1) / 2 + rng.normal(0, 0.3), (y0 + y1) / 2 + rng.normal(0, 0.3))
    )
    warm = rng.uniform(0, 1)
    tint = np.array([1.0, 0.92 - 0.2 * warm, 0.95 - 0.55 * warm])
    half = np.array(rng.choice([[0.15, 0.15], [0.3, 0.3], [0.1, 0.6], [0.6, 0.1]]))
    drop = 0.03 if rng.random() < 0.65 else rng.uniform(0.3, 0.7)
    z = room.height - drop
    power = rng.uniform(0.5, 1.5) * 7.0 / (4 * half[0] * half[1])
    r, g, b = (float(c) for c in tint ** (1 / 2.2))
    glow = Material((r, g, b), emission=min(float(power), 12.0))
    if drop > 0.1:
        room.meshes.append(box((x - 0.01, y - 0.01, z), (x + 0.01, y + 0.01, room.height), paint.plain(rng)))
    room.meshes.append(box((x - half[0], y - half[1], z), (x + half[0], y + half[1], z + 0.028), glow))
    room.lights.append(
        Light(np.array([x, y, z - 0.01]), np.array([half[0], 0, 0]), np.array([0, -half[1], 0]), tint * power)
    )


def shell(room: Room, holes: dict[int, list[Rectangle]], rng, photos: Photos, skip: int = -1) -> Material:
    """Floor, ceiling, walls and skirting, but for the wall numbered skip; returns the trim."""
    x0, y0, x1, y1 = room.bounds
    ground = paint.floor(rng, photos, wet=room.kind == "kitchen")
    top = (
        Material((1, 1, 1), photos.surface(rng, "ceiling"), rng.uniform(1.2, 2.4))
        if room.kind == "office" and rng.random() < 0.5
        else Material(paint.pale(rng, (0.8, 0.98)))
    )
    room.meshes.append(quad((x0, y0, 0), (x1 - x0, 0, 0), (0, y1 - y0, 0), ground))
    room.meshes.append(quad((x0, y0, room.height), (x1 - x0, 0, 0), (0, y1 - y0, 0), top))
    common = paint.wall(rng, photos)
    accent = paint.wall(rng, photos) if rng.random() < 0.35 else common
    odd = rng.integers(4)
    trim = Material(paint.pale(rng), gloss=0.02) if rng.random() < 0.7 else paint.wood(rng, photos)
    skirting = rng.uniform(0.05, 0.14)
    for index in range(4):
        if index == skip:
            continue
        cut = holes.get(index, [])
        room.meshes += wall_with_holes(room, index, cut, accent if index == odd else common)
        ends = [0.0, *(v for h in sorted(cut) if h[1] <= 0.01 for v in (h[0], h[2])), room.wall(index)[3]]
        for a, b in zip(ends[::2], ends[1::2], strict=True):
            room.meshes.append(on_wall(room, index, (a, 0, 0), (b, 0.015, skirting), trim))
    return trim


def build_rooms(rng: np.random.Generator, photos: Photos) -> list[Room]:
    """A room to photograph and, behind its open doors, further rooms; the first is the main one."""
    kind = str(
        rng.choice(
            ["living", "office", "kitchen", "bedroom", "dining", "corridor"],
            p=[0.27, 0.25, 0.26, 0.09, 0.09, 0.04],
        )
    )
    wide, long = rng.uniform(2.8, 6.5), rng.uniform(2.8, 6.5)
    if kind == "kitchen":
        wide, long = rng.uniform(2.2, 4.5), rng.uniform(2.6, 5.0)
    if kind == "corridor":
        wide, long = rng.uniform(1.3, 2.2), rng.uniform(4, 8)
    height = rng.uniform(2.3, 3.0)
    room = Room((0, 0, wide, long), height, kind)
    walls = [int(wall) for wall in rng.permutation(4)]
    holes: dict[int, list[Rectangle]] = {}
    neighbours = []
    for index in walls[: rng.choice([0, 1, 1, 2])]:
        door = _door_hole(room.wall(index)[3], rng)
        holes[index] = [door]
        neighbours.append((index, _neighbour(room, index, (door[0], door[2]), rng)))
    for index in walls[2:][: rng.choice([0, 1, 1, 2])]:
        holes.setdefault(index, []).extend(_window_holes(room.wall(index)[3], rng))
    trim = shell(room, holes, rng, photos)
    for index, cut in holes.items():
        for hole in cut:
            room.blocked_walls.append((index, hole[0] - 0.1, hole[2] + 0.1))
            if hole[1] > 0.01:
                add_window(room, index, hole, rng, trim)
            else:
                add_door(room, index, hole, rng, photos, trim)
    for index, other in neighbours:
        shell(other, {}, rng, photos, skip=(index + 2) % 4)
        add_lamp(other, rng)
    for _ in range(rng.choice([1, 1, 2])):
        add_lamp(room, rng, rng.uniform([0.6, 0.6], [wide - 0.6, long - 0.6]) if rng.random() < 0.5 else None)
    if rng.random() < 0.25:
        _add_pillar(room, rng)
    return [room, *(other for _, other in neighbours)]


def _door_hole(length: float, rng) -> Rectangle:
    width = rng.uniform(0.75, 1.0) if rng.random() < 0.75 else rng.uniform(1.1, 1.8)
    width = min(width, length - 0.3)
    start = rng.uniform(0.1, length - width - 0.1)
    return start, 0.0, start + width, rng.uniform(1.95, 2.15)


def _window_holes(length: float, rng) -> list[Rectangle]:
    """One or two windows of a size; one in five reaches nearly to the floor."""
    low, high = (rng.uniform(0.8, 1.15), rng.uniform(1.9, 2.25))
    if rng.random() < 0.2:
        low = 0.1
    count = int(rng.integers(1, 3)) if length > 3 else 1
    width = min(rng.uniform(0.7, 2.0), length / count - 0.4)
    middles = [length * (i + 0.5) / count for i in range(count)]
    return [(middle - width / 2, low, middle + width / 2, high) for middle in middles]


def _add_pillar(room: Room, rng) -> None:
    """A pillar or a chimney breast in a corner breaks up the box."""
    far = np.array(room.bounds[2:])
    corner = rng.integers(2, size=2) * far
    extent = rng.uniform(0.25, 0.9, 2)
    low, high = np.maximum(corner - extent, 0), np.minimum(corner + extent, far)
    plaster = Material(paint.muted(rng, (0.6, 0.97)))
    room.meshes.append(box((*low, 0), (*high, room.height), plaster))
    room.taken.append((*low, *high))


def _neighbour(room: Room, index: int, span: tuple[float, float], rng) -> Room:
    """A room behind wall index whose own wall has the same opening."""
    start, along, inward, _ = room.wall(index)
    deep = rng.uniform(1.3, 5.0)
    near = start + along * (span[0] - rng.uniform(0.1, 2.0)) - inward * 0.14
    far = start + along * (span[1] + rng.uniform(0.1, 2.0)) - inward * (0.14 + deep)
    low, high = np.minimum(near, far), np.maximum(near, far)
    kind = str(rng.choice(["living", "office", "bedroom", "corridor"]))
    return Room((low[0], low[1], high[0], high[1]), room.height, kind)
