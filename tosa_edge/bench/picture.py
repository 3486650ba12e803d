"""A picture to measure with: made of numbers, the same everywhere, and like a room rather than like noise.

Selection depends on the content, and so does time: on pure noise the first layer's softmax underflows to
denormal numbers, and its product with V takes six times as long as on any real picture.
"""

from __future__ import annotations

import numpy as np


def room(height: int, width: int) -> np.ndarray:
    """RGB uint8 [height, width, 3]: walls, a tiled floor running away, a window, furniture, fine grain."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    picture = np.stack([0.78 - 0.25 * x, 0.72 - 0.22 * x, 0.62 - 0.15 * x], axis=-1)
    far = np.maximum(y - 0.55, 1e-3)
    tiles = (np.floor(0.6 / far) + np.floor((x - 0.45) / far * 1.5)) % 2
    floor = np.stack([0.35 + 0.15 * tiles, 0.25 + 0.12 * tiles, 0.18 + 0.10 * tiles], axis=-1) * (
        0.6 + y[..., None]
    )
    picture = np.where((y > 0.62)[..., None], floor, picture)
    for top, left, bottom, right, colour in _THINGS:
        inside = (y >= top) & (y < bottom) & (x >= left) & (x < right)
        light = 1.0 - 0.4 * (x - left) / (right - left)
        picture = np.where(inside[..., None], np.array(colour, np.float32) * light[..., None], picture)
    grain = np.random.default_rng(0).normal(0, 0.015, (height, width, 1))
    return np.clip((picture + grain) * 255, 0, 255).astype(np.uint8)


_THINGS = (
    (0.10, 0.55, 0.45, 0.90, (0.75, 0.87, 0.98)),
    (0.42, 0.05, 0.86, 0.34, (0.45, 0.20, 0.12)),
    (0.52, 0.38, 0.74, 0.60, (0.20, 0.35, 0.30)),
    (0.60, 0.70, 0.98, 0.96, (0.15, 0.16, 0.25)),
    (0.05, 0.12, 0.30, 0.30, (0.60, 0.50, 0.20)),
)
