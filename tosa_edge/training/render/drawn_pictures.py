"""Drawn pictures of things: the view from a window, a screen, a rug, a label."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

from .textures import SIDE, smooth_noise, to_bytes


def outdoors(rng: np.random.Generator) -> np.ndarray:
    """What a window shows: sky, a skyline of houses or trees, and ground, all a little out of focus."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    horizon = rng.uniform(0.45, 0.6)
    sky = np.array([0.75, 0.86, 1.0]) * rng.uniform(0.85, 1.0)
    picture = sky + (np.array([1.0, 1.0, 1.0]) - sky) * (y[..., None] / horizon).clip(0, 1)
    picture = picture + 0.1 * (smooth_noise(rng, (4, 6))[..., None] - 0.3)
    ground = np.array(rng.choice([[0.35, 0.45, 0.2], [0.5, 0.5, 0.48], [0.45, 0.4, 0.3]]))
    picture = np.where(
        y[..., None] > horizon, ground * (0.7 + 0.5 * smooth_noise(rng, (32, 16))[..., None]), picture
    )
    for _ in range(rng.integers(0, 7)):
        left, width, top = rng.uniform(-0.1, 1), rng.uniform(0.08, 0.3), rng.uniform(0.1, horizon)
        wall = rng.uniform(0.35, 0.9) * np.array([1.0, rng.uniform(0.8, 1.0), rng.uniform(0.7, 1.0)])
        inside = (x > left) & (x < left + width) & (y > top) & (y < horizon + 0.05)
        panes = ((x - left) * 40 % 1 > 0.5) & ((y - top) * 30 % 1 > 0.45)
        picture = np.where(inside[..., None], np.where(panes[..., None], wall * 0.5, wall), picture)
    crown = horizon - rng.uniform(0.02, 0.35) * smooth_noise(rng, (1, 7)) - 0.08 * smooth_noise(rng, (1, 30))
    if rng.random() < 0.7:
        leaves = np.array([0.25, 0.38, 0.16]) * (0.5 + smooth_noise(rng, (48, 48))[..., None])
        picture = np.where(((y > crown) & (y < horizon + 0.04))[..., None], leaves, picture)
    return to_bytes(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), rng.uniform(0.5, 2.5)))


def _tone(rng, saturation: float, light: tuple[float, float]) -> np.ndarray:
    return np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, saturation), rng.uniform(*light)))


def desktop(rng: np.random.Generator) -> np.ndarray:
    """A computer's screen: a plain ground, windows with title bars and lines of writing, a bar below."""
    dark = rng.random() < 0.4
    paper, ink = ((0.12, 0.2), (0.6, 0.85)) if dark else ((0.88, 1.0), (0.1, 0.45))
    canvas = np.ones((SIDE, SIDE, 3), np.float32) * _tone(rng, 0.5, (0.1, 0.7))
    for _ in range(rng.integers(1, 4)):
        x0, y0 = (int(v) for v in rng.integers(0, SIDE // 2, 2))
        x1, y1 = x0 + int(rng.integers(80, 200)), y0 + int(rng.integers(70, 180))
        inside = canvas[y0:y1, x0:x1]
        inside[:] = _tone(rng, 0.08, paper)
        inside[:8] = _tone(rng, 0.4, (0.3, 0.8))
        for y in range(16, inside.shape[0] - 6, int(rng.integers(6, 11))):
            x = 6 + int(rng.choice([0, 0, 8, 16]))
            inside[y : y + 3, x : x + int(rng.uniform(0.1, 0.85) * inside.shape[1])] = _tone(rng, 0.5, ink)
        if rng.random() < 0.4:
            cut = int(rng.uniform(0.5, 0.8) * inside.shape[1])
            inside[14 : int(inside.shape[0] * 0.6), cut:-6] = _tone(rng, 0.4, (0.3, 0.8))
    canvas[-9:] = _tone(rng, 0.3, (0.05, 0.9))
    return to_bytes(canvas)


def woven_rug(rng: np.random.Generator) -> np.ndarray:
    """Bands round the edge and a field of stripes, diamonds or nothing, in two or three quiet tones."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    ground, figure, border = (_tone(rng, 0.45, (0.2, 0.85)) for _ in range(3))
    count = int(rng.integers(3, 12))
    kind = rng.integers(4)
    if kind == 0:
        drawn = np.sin(2 * np.pi * x * count) > rng.uniform(-0.5, 0.8)
    elif kind == 1:
        drawn = (np.abs((x * count) % 1 - 0.5) + np.abs((y * count) % 1 - 0.5)) < rng.uniform(0.2, 0.45)
    elif kind == 2:
        drawn = smooth_noise(rng, (12, 12)) > rng.uniform(0.4, 0.7)
    else:
        drawn = np.zeros_like(x, bool)
    cloth = np.where(drawn[..., None], figure, ground)
    inset = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y))
    edge, band = rng.uniform(0.0, 0.1), rng.uniform(0.01, 0.06)
    cloth = np.where(((inset > edge) & (inset < edge + band))[..., None], border, cloth)
    pile = 0.9 + 0.06 * np.sin(np.pi * SIDE / 2 * y) * np.sin(np.pi * SIDE / 2 * x)
    return to_bytes(cloth * (pile + 0.12 * (smooth_noise(rng, (128, 128)) - 0.5))[..., None])


def label(rng: np.random.Generator) -> np.ndarray:
    """What is stuck on a bottle or printed on a box: a name, bands, a round emblem, small print."""
    canvas = np.ones((SIDE, SIDE, 3), np.float32) * _tone(rng, 0.5, (0.3, 1.0))
    for _ in range(rng.integers(1, 4)):
        top = int(rng.integers(0, SIDE - 20))
        canvas[top : top + int(rng.integers(8, 70))] = _tone(rng, 0.6, (0.15, 1.0))
    ink = tuple(float(v) for v in _tone(rng, 0.6, (0.05, 0.9)))
    if rng.random() < 0.6:
        centre = (int(rng.integers(60, 196)), int(rng.integers(60, 196)))
        cv2.circle(canvas, centre, int(rng.integers(15, 60)), ink, -1)
    for y in range(int(rng.integers(100, 200)), SIDE - 8, 12):
        canvas[y : y + 5, 30 : 30 + int(rng.integers(40, 190))] = ink
    return to_bytes(canvas)
