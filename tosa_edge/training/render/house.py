"""Draws a house: a room to photograph, the rooms behind its doors, their walls and lamps."""

from __future__ import annotations

import numpy as np

from . import paint
from .mesh import Material, box, quad
from .openings import add_door, add_window
from .plan import door_hole, is_open_plan, main_room, neighbour, open_hole, window_holes
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


def shell(
    room: Room, holes: dict[int, list[Rectangle]], ground: Material, rng, photos: Photos, skip: int = -1
) -> Material:
    """Floor, ceiling, walls and skirting, but for the wall numbered skip; returns the trim."""
    x0, y0, x1, y1 = room.bounds
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
    room = main_room(rng)
    walls = [int(wall) for wall in rng.permutation(4)]
    wide = [wall for wall in walls if room.wall(wall)[3] > 2.6]
    if wide and is_open_plan(room, rng):
        # The open side comes first; it may still have a door beside it in the plan.
        walls = [wide[0], *(wall for wall in walls if wall != wide[0])]
        opened, count = wide[0], 1 + int(rng.random() < 0.5)
    else:
        opened, count = -1, int(rng.choice([0, 1, 1, 2]))
    holes: dict[int, list[Rectangle]] = {}
    neighbours = {}
    for index in walls[:count]:
        hole = open_hole(room, index, rng) if index == opened else door_hole(room.wall(index)[3], rng)
        holes[index] = [hole]
        if index == opened:
            room.opened = (index, hole[0], hole[2])
        neighbours[index] = neighbour(room, index, hole, count == 1, index == opened, rng)
    for index in walls[2:][: rng.choice([0, 1, 1, 2])]:
        holes.setdefault(index, []).extend(window_holes(room.wall(index)[3], rng))
    ground = paint.floor(rng, photos, wet=room.kind == "kitchen")
    trim = shell(room, holes, ground, rng, photos)
    for index, cut in holes.items():
        for hole in cut:
            room.blocked_walls.append((index, hole[0] - 0.1, hole[2] + 0.1))
            if hole[1] > 0.01:
                add_window(room, index, hole, rng, trim)
            else:
                add_door(
                    room, index, hole, rng, photos, trim, has_leaf=index != opened and rng.random() < 0.6
                )
    for index, other in neighbours.items():
        # The floor runs on through a wide opening.
        other_ground = ground if index == opened else paint.floor(rng, photos, wet=other.kind == "kitchen")
        shell(other, {}, other_ground, rng, photos, skip=(index + 2) % 4)
        keep_clear(room, index, holes[index][0], other)
        add_lamp(other, rng)
    x1, y1 = room.bounds[2:]
    for _ in range(rng.choice([1, 1, 2]) + int(x1 * y1 > 25)):
        margin = min(0.6, x1 / 2, y1 / 2)
        spot = rng.uniform([margin, margin], [x1 - margin, y1 - margin]) if rng.random() < 0.5 else None
        add_lamp(room, rng, spot)
    if rng.random() < 0.25:
        _add_pillar(room, rng)
    return [room, *neighbours.values()]


def keep_clear(room: Room, index: int, hole: Rectangle, other: Room) -> None:
    """Keeps the furniture of the room behind a hole off the passage."""
    start, along, inward, _ = room.wall(index)
    ends = np.array([start + along * hole[0] - inward * 0.7, start + along * hole[2]])
    other.taken.append((*ends.min(axis=0), *ends.max(axis=0)))
    # The wall there has no picture to hang on: it is the main room's own.
    other.blocked_walls.append(((index + 2) % 4, -1.0, 20.0))


def _add_pillar(room: Room, rng) -> None:
    """A pillar or a chimney breast in a corner breaks up the box, where no hole is in the way."""
    far = np.array(room.bounds[2:])
    corner = rng.integers(2, size=2) * far
    extent = rng.uniform(0.25, 0.9, 2)
    low, high = np.maximum(corner - extent, 0), np.minimum(corner + extent, far)
    plaster = Material(paint.muted(rng, (0.6, 0.97)))
    if room.free((*low, *high)):
        room.meshes.append(box((*low, 0), (*high, room.height), plaster))
        room.taken.append((*low, *high))
