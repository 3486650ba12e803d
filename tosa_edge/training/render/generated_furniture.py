"""Furniture drawn from a generator: desks, full bookcases and fitted kitchens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import clutter_objects, paint
from .mesh import Material, Mesh, box, merge, place, quad, tilt, tube
from .textures import Photos, pattern


def desk(rng, photos: Photos) -> Mesh:
    """A slab on legs or on side panels, 0.9 to 2 m wide."""
    width, depth, height = rng.uniform(0.9, 2.0), rng.uniform(0.55, 0.85), rng.uniform(0.68, 0.78)
    slab = paint.wood(rng, photos) if rng.random() < 0.65 else paint.plain(rng, (0.3, 0.97))
    leg = slab if rng.random() < 0.4 else paint.plain(rng, (0.05, 0.9), gloss=0.2)
    thick = rng.uniform(0.018, 0.045)
    parts = [box((-width / 2, -depth / 2, height - thick), (width / 2, depth / 2, height), slab)]
    if rng.random() < 0.5:
        bar = rng.uniform(0.015, 0.035)
        for x in (-width / 2 + 0.05, width / 2 - 0.05):
            for y in (-depth / 2 + 0.05, depth / 2 - 0.05):
                parts.append(box((x - bar, y - bar, 0), (x + bar, y + bar, height - thick), leg))
    else:
        for x in (-width / 2, width / 2 - 0.025):
            parts.append(box((x, -depth / 2 + 0.02, 0), (x + 0.025, depth / 2, height - thick), leg))
        parts.append(
            box((-width / 2, depth / 2 - 0.03, 0.3), (width / 2, depth / 2 - 0.01, height - thick), leg)
        )
    if rng.random() < 0.5:
        right = width / 2 - 0.04
        for z in np.arange(0.08, height - 0.2, 0.19):
            parts.append(box((right - 0.4, -depth / 2 + 0.03, z), (right, depth / 2 - 0.05, z + 0.18), leg))
            parts.append(
                box(
                    (right - 0.28, -depth / 2 + 0.01, z + 0.09),
                    (right - 0.12, -depth / 2 + 0.03, z + 0.1),
                    Material((0.5, 0.5, 0.5), gloss=0.2),
                )
            )
    return merge(parts)


def bookcase(rng, photos: Photos) -> Mesh:
    """Boards with rows of standing, leaning and lying books, boxes and gaps."""
    width, depth, height = rng.uniform(0.5, 1.8), rng.uniform(0.25, 0.42), rng.uniform(0.75, 2.15)
    board = paint.wood(rng, photos) if rng.random() < 0.6 else paint.plain(rng, (0.1, 0.97))
    t = rng.uniform(0.016, 0.032)
    left, right, front, back = -width / 2, width / 2, -depth / 2, depth / 2
    parts = [
        box((left, front, 0), (left + t, back, height), board),
        box((right - t, front, 0), (right, back, height), board),
    ]
    if rng.random() < 0.75:
        parts.append(box((left, back - 0.01, 0), (right, back, height), board))
    fullness = rng.uniform(0.2, 1.0)
    step = rng.uniform(0.26, 0.42)
    for z in [*np.arange(0.05, height - 0.2, step), height - t]:
        parts.append(box((left + t, front + 0.004, z), (right - t, back - 0.012, z + t), board))
        if z < height - 0.25:
            parts += _row(rng, photos, left + t, right - t, front, z + t, min(step, height - z) - t, fullness)
    return merge(parts)


def _row(rng, photos: Photos, x, end, front, z, room, fullness) -> list[Mesh]:
    parts: list[Mesh] = []
    while x < end - 0.06:
        if rng.random() > fullness:
            x += rng.uniform(0.03, 0.3)
            continue
        if rng.random() < 0.12:
            thing = clutter_objects.random_clutter(rng, photos)
            shrink = min(1.0, (room - 0.02) / thing.size[2])
            thing = place(thing, (0, 0, 0), scale=shrink)
            if x + thing.size[0] < end:
                parts.append(place(thing, (x - thing.low[0], front + 0.02 - thing.low[1], z)))
            x += float(thing.size[0]) + 0.02
            continue
        volume = clutter_objects.book(rng, photos)
        volume = place(volume, (0, 0, 0), scale=(1, 1, min(1.0, (room - 0.015) / volume.size[2])))
        lean = rng.random() < 0.06
        if lean:
            volume = tilt(volume, 1, rng.uniform(0.1, 0.35))
        step = float(volume.size[0])
        if x + step > end:
            break
        parts.append(place(volume, (x - volume.low[0], front + rng.uniform(0.005, 0.05), z - volume.low[2])))
        x += step + 0.0015
    return parts


@dataclass(frozen=True)
class KitchenStyle:
    """What all cupboards of one kitchen share."""

    front: Material
    worktop: Material
    handle: Material
    splash: Material
    height: float
    cupboard_low: float
    cupboard_tall: float

    @staticmethod
    def draw(rng, photos: Photos) -> KitchenStyle:
        front = paint.wood(rng, photos) if rng.random() < 0.45 else paint.plain(rng, (0.25, 0.98))
        worktop = [
            paint.wood(rng, photos),
            paint.plain(rng, (0.1, 0.95), 0.1),
            Material(paint.muted(rng), photos.surface(rng, "marble"), 0.7, 0.06),
        ][rng.integers(3)]
        splash = Material(paint.muted(rng, (0.5, 0.98)), pattern(rng, "tiles"), rng.uniform(0.2, 0.6), 0.04)
        return KitchenStyle(
            front,
            worktop,
            Material((0.6, 0.6, 0.6), gloss=0.25),
            splash,
            rng.uniform(0.85, 0.95),
            rng.uniform(1.35, 1.5),
            rng.uniform(0.5, 0.8),
        )


def counter(length: float, style: KitchenStyle, rng) -> Mesh:
    """A worktop over doors and drawers with a tiled splash back, a sink and a hob where they fit."""
    left, depth, top = -length / 2, 0.6, style.height
    parts = [
        box((left, -0.27, 0.1), (left + length, 0.3, top - 0.04), style.front),
        box((left, -0.22, 0), (left + length, 0.3, 0.1), Material((0.1, 0.1, 0.1))),
        box((left, -depth / 2, top - 0.04), (left + length, depth / 2, top), style.worktop),
        quad((left, 0.298, top), (length, 0, 0), (0, 0, style.cupboard_low - top), style.splash),
    ]
    count = max(round(length / 0.55), 1)
    unit = length / count
    for i in range(count):
        x = left + i * unit
        rows = [(0.12, top - 0.06)] if rng.random() < 0.6 else [(0.12, 0.4), (0.42, 0.62), (0.64, top - 0.06)]
        for low, high in rows:
            parts.append(box((x + 0.006, -0.29, low), (x + unit - 0.006, -0.27, high), style.front))
            parts.append(
                box(
                    (x + unit * 0.35, -0.315, high - 0.06),
                    (x + unit * 0.65, -0.3, high - 0.048),
                    style.handle,
                )
            )
    if length > 1.2:
        x = left + rng.uniform(0.3, length - 0.9)
        parts.append(box((x, -0.2, top - 0.002), (x + 0.5, 0.18, top + 0.004), style.handle))
        parts.append(
            box(
                (x + 0.04, -0.16, top + 0.0045),
                (x + 0.46, 0.14, top + 0.0055),
                Material((0.2, 0.2, 0.2), gloss=0.1),
            )
        )
        bend = np.linspace(0, np.pi, 12)
        path = np.stack([np.zeros(12), 0.13 + 0.09 * np.cos(bend), 0.2 + 0.09 * np.sin(bend)], -1)
        path = np.concatenate([[[0, 0.22, 0.0]], path, [[0, 0.04, 0.14]]])
        parts.append(place(tube(path, 0.013, style.handle), (x + 0.25, 0, top)))
    return merge(parts)


def wall_cupboard(style: KitchenStyle, rng) -> Mesh:
    tall = style.cupboard_tall
    parts = [box((-0.3, -0.15, 0), (0.3, 0.15, tall), style.front)]
    for x in (-0.295, 0.005):
        parts.append(box((x, -0.17, 0.005), (x + 0.29, -0.15, tall - 0.005), style.front))
        handle = x + (0.26 if x < 0 else 0.02)
        parts.append(box((handle, -0.19, 0.05), (handle + 0.01, -0.172, 0.17), style.handle))
    return merge(parts)
