"""What hangs on walls and lies on floors: pictures, shelves, mirrors, rugs."""

from __future__ import annotations

import numpy as np

from . import paint
from .drawn_pictures import woven_rug
from .mesh import Material, quad
from .placing import footprint
from .room import Room, on_wall, upright
from .textures import Photos


def rug(room: Room, rng) -> None:
    x0, y0, x1, y1 = room.bounds
    size = rng.uniform([0.6, 0.5], [min(2.6, x1 - x0 - 0.3), min(2.2, y1 - y0 - 0.3)])
    low = rng.uniform([x0, y0], np.maximum([x1, y1] - size, [x0 + 0.01, y0 + 0.01]))
    material = paint.cloth(rng) if rng.random() < 0.4 else Material((1, 1, 1), woven_rug(rng))
    room.meshes.append(quad((*low, 0.008), (size[0], 0, 0), (0, size[1], 0), material))


def pictures(room: Room, photos: Photos, rng) -> None:
    """Framed pictures and, now and then, a shelf on the walls."""
    for _ in range(rng.integers(3, 12)):
        index = int(rng.integers(4))
        length = room.wall(index)[3]
        wide, tall = rng.uniform(0.15, 1.1), rng.uniform(0.15, 0.8)
        s, z = rng.uniform(0.1, max(length - wide - 0.1, 0.11)), rng.uniform(1.1, 1.7)
        if z + tall > room.height - 0.1 or s + wide > length or not room.wall_free(index, s, s + wide):
            continue
        room.blocked_walls.append((index, s, s + wide))
        start, along, inward, _ = room.wall(index)
        rim = paint.plain(rng, (0.05, 0.95))
        if rng.random() < 0.22:
            shelf = on_wall(room, index, (s, 0, z), (s + wide, 0.22, z + 0.025), paint.wood(rng, photos))
            room.meshes.append(shelf)
            room.surfaces.append((footprint(shelf), float(z + 0.025), int(wide * 9)))
            continue
        room.meshes.append(on_wall(room, index, (s, 0.001, z), (s + wide, 0.025, z + tall), rim))
        edge = min(wide, tall) * rng.uniform(0.03, 0.15)
        origin = upright(start + along * (s + wide - edge) + inward * 0.027, z + edge)
        room.meshes.append(
            quad(
                origin,
                upright(-along * (wide - 2 * edge), 0),
                (0, 0, tall - 2 * edge),
                Material((1, 1, 1), photos.picture(rng), gloss=float(rng.choice([0, 0, 0.04]))),
            )
        )


def mirror(room: Room, photos: Photos, rng) -> None:
    """A framed looking glass: on the wall, or tall enough to stand before. Its depth is its own surface's.

    A true looking glass has a depth that no picture shows, its own: what a robot would run into.
    """
    tall = rng.random() < 0.35
    for _ in range(8):
        index = int(rng.integers(4))
        start, along, inward, length = room.wall(index)
        wide, high = rng.uniform([0.4, 1.3], [1.0, 1.8]) if tall else rng.uniform([0.4, 0.5], [1.4, 1.1])
        low = rng.uniform(0.05, 0.3) if tall else rng.uniform(0.9, 1.2)
        if wide > length - 0.2 or low + high > room.height - 0.05:
            continue
        s = rng.uniform(0.1, length - wide - 0.1)
        corners = np.array([start + along * s, start + along * (s + wide) + inward * 0.15])
        floor = (*corners.min(axis=0), *corners.max(axis=0))
        if not room.wall_free(index, s, s + wide) or (tall and not room.free(floor)):
            continue
        room.blocked_walls.append((index, s, s + wide))
        room.taken.append(floor)
        rim = paint.wood(rng, photos) if rng.random() < 0.5 else paint.plain(rng, (0.05, 0.95), gloss=0.2)
        edge = rng.uniform(0.012, 0.06)
        for low_corner, high_corner in (
            ((s, 0.001, low), (s + wide, 0.03, low + edge)),
            ((s, 0.001, low + high - edge), (s + wide, 0.03, low + high)),
            ((s, 0.001, low), (s + edge, 0.03, low + high)),
            ((s + wide - edge, 0.001, low), (s + wide, 0.03, low + high)),
        ):
            room.meshes.append(on_wall(room, index, low_corner, high_corner, rim))
        origin = upright(start + along * (s + wide - edge) + inward * 0.012, low + edge)
        glass = Material((0.8, 0.82, 0.82), mirror=float(rng.uniform(0.82, 0.95)))
        room.meshes.append(
            quad(origin, upright(-along * (wide - 2 * edge), 0), (0, 0, high - 2 * edge), glass)
        )
        return
