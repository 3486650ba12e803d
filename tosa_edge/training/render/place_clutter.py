"""Drops small things onto whatever is below them: tables, shelves, sofas, counters, the floor."""

from __future__ import annotations

import numpy as np

from . import clutter_objects, paint
from .furniture_roles import FurnitureByRole
from .mesh import Mesh, place, tilt
from .room import Room
from .scene import Geometry
from .textures import Photos

LEVEL = 0.012  # metres that the support under a thing's corners may differ


def drop(
    room: Room, scene: Geometry, stock: FurnitureByRole, photos: Photos, rng: np.random.Generator
) -> list[Mesh]:
    """Things for a furnished room; scene holds its furniture, to be hit from above."""
    spots = []
    for (x0, y0, x1, y1), height, count in room.surfaces:
        inset = 0.06 * np.array([x1 - x0, y1 - y0])
        for _ in range(count):
            xy = rng.uniform(np.array([x0, y0]) + inset, np.array([x1, y1]) - inset)
            spots.append((*xy, height + 0.4))
    x0, y0, x1, y1 = room.bounds
    for _ in range(rng.integers(2, 12)):
        spots.append(
            (rng.uniform(x0 + 0.1, x1 - 0.1), rng.uniform(y0 + 0.1, y1 - 0.1), rng.choice([0.35, 2.0]))
        )
    fallen: list[Mesh] = []
    for spot in spots:
        thing = _thing(stock, photos, rng)
        landed = _land(scene, thing, np.asarray(spot))
        if landed is not None and not any(_overlap(landed, other) for other in fallen):
            fallen.append(landed)
    return fallen


def _thing(stock: FurnitureByRole, photos: Photos, rng) -> Mesh:
    model = stock.pick("small", rng) if rng.random() < 0.5 else None
    thing = (
        paint.restyle(model, rng, photos)
        if model is not None
        else clutter_objects.random_clutter(rng, photos)
    )
    if rng.random() < 0.06 and thing.size.max() < 0.35:
        thing = tilt(thing, int(rng.integers(2)), np.pi / 2)
    thing = place(thing, (0, 0, 0), rng.uniform(0, 2 * np.pi))
    middle = (thing.low + thing.high) / 2
    return place(thing, (-middle[0], -middle[1], -thing.low[2]))


def _land(scene: Geometry, thing: Mesh, spot: np.ndarray) -> Mesh | None:
    reach = thing.size[:2] * 0.35
    feet = spot + np.array([[0, 0, 0], *([a * reach[0], b * reach[1], 0] for a in (-1, 1) for b in (-1, 1))])
    down = np.tile(np.array([0, 0, -1], np.float32), (5, 1))
    ground = feet[:, 2] - scene.intersect(feet.astype(np.float32), down).distance
    if np.ptp(ground) > LEVEL or ground.min() < -0.01:
        return None
    return place(thing, (spot[0], spot[1], ground.max() + 0.0005))


def _overlap(a: Mesh, b: Mesh) -> bool:
    return bool(np.all(a.low < b.high) and np.all(b.low < a.high))
