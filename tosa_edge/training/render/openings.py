"""What a wall opens to: windows with daylight and curtains, doors with their leaves."""

from __future__ import annotations

import numpy as np

from . import paint
from .drawn_pictures import outdoors
from .mesh import Material, Mesh, box, grid, place, quad
from .room import Rectangle, Room, on_wall, upright
from .scene import Light
from .textures import Photos


def hole_trim(room: Room, index: int, hole: Rectangle, deep: float, trim: Material, sill: bool) -> list[Mesh]:
    """The reveal of a hole and the trim around it."""
    s0, z0, s1, z1 = hole
    edge, out = 0.06, 0.02
    parts = [
        on_wall(room, index, (s0 - edge, -deep, z0), (s0, out, z1 + edge), trim),
        on_wall(room, index, (s1, -deep, z0), (s1 + edge, out, z1 + edge), trim),
        on_wall(room, index, (s0 - edge, -deep, z1), (s1 + edge, out, z1 + edge), trim),
    ]
    if z0 < 0.01:
        parts.append(on_wall(room, index, (s0, -deep, -0.02), (s1, 0, 0.004), trim))
    if sill:
        parts.append(on_wall(room, index, (s0 - edge, -deep, z0 - 0.04), (s1 + edge, 0.06, z0), trim))
    return parts


def add_window(room: Room, index: int, hole: Rectangle, rng, trim: Material) -> None:
    s0, z0, s1, z1 = hole
    start, along, inward, _ = room.wall(index)
    deep = rng.uniform(0.08, 0.3)
    room.meshes += hole_trim(room, index, hole, deep, trim, sill=True)
    bar = rng.uniform(0.02, 0.05)
    for s in np.linspace(s0, s1, rng.integers(2, 5)):
        room.meshes.append(on_wall(room, index, (s - bar, -deep, z0), (s + bar, -deep + 0.05, z1), trim))
    for z in np.linspace(z0, z1, rng.integers(2, 4)):
        room.meshes.append(on_wall(room, index, (s0, -deep, z - bar), (s1, -deep + 0.05, z + bar), trim))
    # Panes pass almost everything and mirror a little; a camera that looks out measures the outdoors.
    glass = Material((1, 1, 1), gloss=0.08, clear=0.92, pane=True)
    corner = upright(start + along * s0 - inward * (deep - 0.025), z0)
    room.meshes.append(quad(corner, upright(along * (s1 - s0), 0), (0, 0, z1 - z0), glass))
    _dress_window(room, index, hole, rng)

    away = rng.uniform(3.5, 15)
    wide, tall = 2.5 * away + 6, 1.5 * away + 4
    middle = start + along * (s0 + s1) / 2 - inward * away
    night = rng.random() < 0.12
    glow = 0.03 if night else rng.uniform(0.9, 3.5)
    room.meshes.append(
        quad(
            upright(middle - along * wide / 2, 1.6 - tall / 2),
            upright(along * wide, 0),
            (0, 0, tall),
            Material((1, 1, 1), outdoors(rng), emission=glow),
        )
    )
    if night:
        return
    day = np.array([0.85, 0.95, 1.1]) * rng.uniform(2.5, 8)
    centre = upright(start + along * (s0 + s1) / 2 - inward * (deep + 0.02), (z0 + z1) / 2)
    room.lights.append(
        Light(centre, upright(along * -(s1 - s0) / 2, 0), np.array([0, 0, -(z1 - z0) / 2]), day)
    )
    if rng.random() < 0.35 and away > 5:
        slope, sideways = rng.uniform(0.4, 1.2), rng.uniform(-0.8, 0.8)
        toward = upright(-inward + sideways * along, slope)
        sun = centre + 3.2 * toward
        face = -toward / np.linalg.norm(toward)
        side = np.cross(face, [0, 0, 1.0])
        up = np.cross(face, side)
        strength = rng.uniform(2, 7) * np.pi * 14 / (4 * 0.12**2)
        room.lights.append(Light(sun, 0.12 * side, 0.12 * up, np.array([1.1, 1.0, 0.85]) * strength))


def _dress_window(room: Room, index: int, hole: Rectangle, rng) -> None:
    """Curtains at the sides or slats across, as often as homes have them."""
    s0, z0, s1, z1 = hole
    start, along, _, length = room.wall(index)
    draw = rng.random()
    if draw < 0.4:
        fabric = paint.cloth(rng)
        foot = 0.05 if rng.random() < 0.6 else z0 - 0.1
        for a, b in ((s0 - 0.25, s0 + 0.12), (s1 - 0.12, s1 + 0.25)):
            a, b = max(a, 0.02), min(b, length - 0.02)
            s = np.linspace(a, b, 40)
            wave = 0.09 + 0.035 * np.sin((s - a) * rng.uniform(60, 110))
            points = np.zeros((40, 2, 3))
            points[:, :, 0], points[:, :, 1] = s[:, None], wave[:, None]
            points[:, 0, 2], points[:, 1, 2] = foot, min(z1 + 0.15, room.height - 0.02)
            sheet = grid(points, fabric)
            room.meshes.append(place(sheet, upright(start, 0), np.arctan2(along[1], along[0])))
        room.meshes.append(
            on_wall(room, index, (s0 - 0.3, 0.06, z1 + 0.12), (s1 + 0.3, 0.085, z1 + 0.145), paint.plain(rng))
        )
    elif draw < 0.6:
        slat = paint.plain(rng, (0.6, 0.95))
        stop = z0 + (z1 - z0) * rng.choice([0.0, 0.3, 0.6])
        for z in np.arange(z1 - 0.03, stop, -0.05):
            room.meshes.append(on_wall(room, index, (s0, -0.06, z), (s1, -0.03, z + 0.012), slat))


def add_door(
    room: Room, index: int, hole: Rectangle, rng, photos: Photos, trim: Material, has_leaf: bool
) -> None:
    """A framed passage, kept clear of furniture."""
    room.meshes += hole_trim(room, index, hole, 0.15, trim, sill=False)
    start, along, inward, _ = room.wall(index)
    jambs = np.array([start + along * hole[0], start + along * hole[2] + inward * 0.7])
    room.taken.append((*jambs.min(axis=0), *jambs.max(axis=0)))
    if has_leaf:
        _add_leaf(room, index, hole, rng, photos)


def _add_leaf(room: Room, index: int, hole: Rectangle, rng, photos: Photos) -> None:
    """A leaf swung open about one jamb, with a handle."""
    s0, _, s1, z1 = hole
    start, along, inward, _ = room.wall(index)
    width = s1 - s0
    leaf = Material(paint.pale(rng)) if rng.random() < 0.6 else paint.wood(rng, photos)
    metal = Material((0.6, 0.6, 0.6), gloss=0.2)
    parts = [box((0, -0.02, 0.01), (width, 0.02, z1 - 0.01), leaf)]
    for low, high in ((0.15, 0.45), (0.52, 0.92)):
        parts.append(box((0.12, -0.028, z1 * low), (width - 0.12, 0.028, z1 * high), leaf))
    parts.append(box((width - 0.16, -0.07, 1.0), (width - 0.05, 0.07, 1.03), metal))
    swing = rng.uniform(0.9, 2.2)
    hinge = upright(start + along * s0 + inward * 0.03, 0)
    for part in parts:
        room.meshes.append(place(part, hinge, np.arctan2(along[1], along[0]) + swing))
