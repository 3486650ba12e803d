"""Furniture of thin parts: slatted chairs, standard lamps, leafy plants, railings, open stairs.

What a depth network loses first. Everything stands on z = 0 and faces -y, as catalogue models do.
"""

from __future__ import annotations

import numpy as np

from . import paint
from .mesh import Material, Mesh, box, from_corners, lathe, merge, tube
from .textures import Photos


def slatted_chair(rng, photos: Photos) -> Mesh:
    """A dining chair whose back is rungs across, slats upright or round spindles."""
    wide, deep = rng.uniform(0.38, 0.47), rng.uniform(0.38, 0.46)
    seat, tall, bar = rng.uniform(0.43, 0.48), rng.uniform(0.8, 1.05), rng.uniform(0.011, 0.02)
    wood = paint.wood(rng, photos) if rng.random() < 0.65 else paint.plain(rng, (0.05, 0.95))
    cushion = paint.cloth(rng) if rng.random() < 0.4 else wood
    x, y, lean = wide / 2 - bar, deep / 2 - bar, rng.uniform(0.03, 0.09)
    parts = [box((-wide / 2, -deep / 2, seat - 0.03), (wide / 2, deep / 2, seat), cushion)]
    for side in (-x, x):
        parts.append(box((side - bar, -y - bar, 0), (side + bar, -y + bar, seat - 0.03), wood))
        parts.append(tube([(side, y + 0.03, 0), (side, y, seat), (side, y + lean, tall)], bar, wood))
        if rng.random() < 0.5:
            parts.append(box((side - bar / 2, -y, 0.15), (side + bar / 2, y, 0.15 + bar), wood))

    def at(z: float) -> float:
        return y + lean * (z - seat) / (tall - seat)

    parts.append(box((-x, at(tall) - 0.008, tall - 0.06), (x, at(tall) + 0.01, tall), wood))
    if rng.random() < 0.4:
        half = rng.uniform(0.01, 0.03)
        for z in np.linspace(seat + 0.1, tall - 0.12, rng.integers(2, 5)):
            parts.append(box((-x, at(z) - 0.006, z - half), (x, at(z) + 0.006, z + half), wood))
    else:
        thick = rng.uniform(0.004, 0.011)
        for s in np.linspace(-x, x, rng.integers(5, 10))[1:-1]:
            parts.append(tube([(s, at(seat), seat), (s, at(tall), tall - 0.02)], thick, wood, sides=5))
    return merge(parts)


def standard_lamp(rng, photos: Photos) -> Mesh:
    """A foot, a thin stem, straight or bent over, and a shade."""
    stem = Material(paint.muted(rng, (0.03, 0.8)), gloss=float(rng.choice([0.02, 0.2])))
    tall, thick = rng.uniform(1.2, 1.75), rng.uniform(0.006, 0.014)
    r, h = rng.uniform(0.1, 0.22), rng.uniform(0.15, 0.3)
    reach = rng.uniform(0.2, 0.45) if rng.random() < 0.35 else 0.0
    t = np.linspace(0, 1, 10)
    path = np.stack([reach * t**3, 0 * t, tall * np.sin(t * np.pi / 2) if reach else tall * t], -1)
    glow = float(rng.uniform(0.5, 3)) if rng.random() < 0.4 else 0.0
    shade = Material(paint.pale(rng, (0.4, 0.95)), emission=glow)
    hat = lathe([(r * rng.uniform(0.5, 1), h), (r, 0)], shade)
    moved = hat.corners + np.array([reach, 0, tall - h * 0.6], np.float32)
    return merge(
        [
            lathe([(0.001, 0), (0.13, 0), (0.12, 0.02), (0.001, 0.025)], stem),
            tube(path, thick, stem),
            from_corners(moved, shade, hat.uv, hat.normals),
        ]
    )


def leafy_plant(rng, photos: Photos) -> Mesh:
    """Bent stems with pointed leaves, out of a pot."""
    pot = paint.plain(rng, (0.1, 0.95), 0.1)
    tall, r = rng.uniform(0.4, 1.3), rng.uniform(0.1, 0.18)
    parts = [lathe([(0.001, 0), (r * 0.75, 0), (r, r * 1.6), (r * 0.9, r * 1.6), (0.001, r * 1.5)], pot)]
    hue, light = rng.uniform(0.2, 0.36), rng.uniform(0.15, 0.5)
    leaf = Material((light * (0.4 + hue), light, light * 0.35), gloss=0.02)
    long, broad = rng.uniform(0.1, 0.3), rng.uniform(0.02, 0.06)
    leaves = []
    for _ in range(rng.integers(5, 14)):
        out, up = rng.uniform(-0.35, 0.35, 2), rng.uniform(0.4, 1.0) * tall
        t = np.linspace(0, 1, 7)[:, None]
        stem = np.concatenate([out * t**2, r * 1.5 + up * t], -1)
        parts.append(tube(stem, 0.004, leaf, sides=4))
        for k in range(2, 7):
            turn = rng.uniform(0, 2 * np.pi)
            along = np.array([np.cos(turn), np.sin(turn), rng.uniform(-0.5, 0.6)]) * long
            across = np.array([-np.sin(turn), np.cos(turn), rng.normal(0, 0.2)]) * broad
            foot, tip, middle = stem[k], stem[k] + along, stem[k] + 0.45 * along
            leaves += [[foot, middle + across, tip], [foot, tip, middle - across]]
    return merge([*parts, from_corners(leaves, leaf)])


def _fence(path: np.ndarray, rng) -> list[Mesh]:
    """A railing over a line of feet [2, 3]: a hand rail on bars, on wires or on rungs."""
    metal = Material(paint.muted(rng, (0.03, 0.9)), gloss=float(rng.choice([0.0, 0.03, 0.15])))
    up = np.array([0, 0, rng.uniform(0.85, 1.0)])
    length = float(np.linalg.norm(path[1] - path[0]))
    thick = rng.uniform(0.005, 0.013)
    parts = [tube(path + up, rng.uniform(0.018, 0.03), metal)]

    def bars(count: int, radius: float) -> list[Mesh]:
        feet = [path[0] + t * (path[1] - path[0]) for t in np.linspace(0.01, 0.99, count)]
        return [tube([foot, foot + up], radius, metal, sides=5) for foot in feet]

    if rng.random() < 0.65:
        return [*parts, tube(path + 0.1 * up, thick * 1.3, metal), *bars(int(length / 0.11) + 2, thick)]
    rungs = [tube(path + share * up, thick, metal, sides=5) for share in np.linspace(0.12, 0.85, 6)]
    return [*parts, *bars(int(length / 1.1) + 2, 0.02), *rungs]


def railing(rng) -> Mesh:
    """As round a stairwell or before a gallery: one straight piece and, often, a return."""
    half = rng.uniform(0.6, 1.4)
    back = rng.uniform(0.3, 0.5) if rng.random() < 0.6 else 0.0
    parts = _fence(np.array([[-half, -back, 0], [half, -back, 0]]), rng)
    if back:
        parts += _fence(np.array([[half, -back, 0], [half, back, 0]]), rng)
    return merge(parts)


def stairs(ceiling: float, rng, photos: Photos) -> Mesh:
    """A flight along a wall up to a landing, with or without risers, and its railing."""
    wood = paint.wood(rng, photos)
    wide, rise, run = rng.uniform(0.75, 1.0), rng.uniform(0.17, 0.19), rng.uniform(0.24, 0.28)
    count = int(min(rng.integers(5, 9), (ceiling - 1.15) / rise))
    landing = rng.uniform(0.8, 1.0)
    closed = rng.random() < 0.5
    left = -(count * run + landing) / 2
    parts = []
    for i in range(count):
        x, z = left + i * run, (i + 1) * rise
        parts.append(box((x, -wide / 2, 0 if closed else z - 0.04), (x + run, wide / 2, z), wood))
    end = left + count * run
    foot = 0 if closed else count * rise - 0.06
    parts.append(box((end, -wide / 2, foot), (end + landing, wide / 2, count * rise), wood))
    if not closed:
        beam = np.array([[left, 0, 0.05], [end, 0, count * rise - 0.08]])
        parts.append(tube(beam, 0.05, wood))
    y = -wide / 2 + 0.03
    parts += _fence(np.array([[left + run / 2, y, rise], [end, y, count * rise]]), rng)
    parts += _fence(np.array([[end, y, count * rise], [end + landing, y, count * rise]]), rng)
    return merge(parts)
