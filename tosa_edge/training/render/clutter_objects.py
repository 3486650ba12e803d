"""Clutter drawn from a generator: screens, keyboards, books, cups, bottles, papers, cables."""

from __future__ import annotations

import numpy as np

from . import paint
from .drawn_pictures import desktop, label
from .mesh import Material, Mesh, box, lathe, merge, place, quad, tilt, tube
from .textures import Photos, pattern


def monitor(rng, photos: Photos) -> Mesh:
    width = rng.uniform(0.38, 0.68)
    height, lift = width * rng.uniform(0.56, 0.8), rng.uniform(0.08, 0.18)
    case = Material(paint.muted(rng, (0.03, 0.25)) if rng.random() < 0.8 else (0.85, 0.85, 0.83), gloss=0.04)
    if rng.random() < 0.5:
        content = pattern(rng, "text") if rng.random() < 0.25 else desktop(rng)
        screen = Material((1, 1, 1), content, emission=float(rng.uniform(0.3, 0.9)), gloss=0.03)
    else:
        screen = Material((0.03, 0.03, 0.035), gloss=0.06)
    return merge(
        [
            box((-width / 2, -0.02, lift), (width / 2, 0.02, lift + height), case),
            quad(
                (-width / 2 + 0.012, -0.0215, lift + 0.015),
                (width - 0.024, 0, 0),
                (0, 0, height - 0.03),
                screen,
            ),
            box((-0.03, 0.0, 0.01), (0.03, 0.03, lift + 0.1), case),
            box((-0.12, -0.08, 0), (0.12, 0.1, 0.012), case),
        ]
    )


def keyboard(rng) -> Mesh:
    case = Material(paint.muted(rng, (0.03, 0.9)))
    keys = Material(paint.muted(rng, (0.05, 0.95)), pattern(rng, "tiles"), 0.08)
    return merge(
        [
            box((-0.22, -0.07, 0), (0.22, 0.07, 0.018), case),
            box((-0.21, -0.06, 0.018), (0.21, 0.055, 0.024), keys),
        ]
    )


def book(rng, photos: Photos) -> Mesh:
    thick, deep, tall = rng.uniform(0.008, 0.05), rng.uniform(0.12, 0.22), rng.uniform(0.16, 0.31)
    cover = Material(paint.muted(rng, (0.1, 0.95)), gloss=float(rng.choice([0, 0.03])))
    parts = [box((0, 0, 0), (thick, deep, tall), cover)]
    if rng.random() < 0.5:
        band = Material(paint.muted(rng, (0.1, 0.95)))
        z = rng.uniform(0.1, 0.8) * tall
        parts.append(box((-0.0006, -0.0006, z), (thick + 0.0006, deep - 0.02, z + tall * 0.12), band))
    return merge(parts)


def _cup(rng, photos: Photos, skin: Material) -> Mesh:
    """With a handle."""
    r, h = rng.uniform(0.03, 0.05), rng.uniform(0.07, 0.13)
    ear = np.linspace(-np.pi / 2, np.pi / 2, 8)
    handle = np.stack([r + 0.025 * np.cos(ear), np.zeros(8), h / 2 + h * 0.3 * np.sin(ear)], -1)
    return merge(
        [
            lathe([(0.001, 0), (r * 0.9, 0), (r, h), (r * 0.92, h), (r * 0.85, 0.01), (0.001, 0.01)], skin),
            tube(handle, 0.005, skin),
        ]
    )


def _bottle(rng, photos: Photos, skin: Material) -> Mesh:
    """With a label."""
    r, h = rng.uniform(0.025, 0.055), rng.uniform(0.12, 0.34)
    neck = rng.uniform(0.25, 0.9)
    paper = Material((1, 1, 1), label(rng))
    return merge(
        [
            lathe([(0.001, 0), (r, 0), (r, h * 0.65), (r * neck, h * 0.78), (r * neck, h), (0.001, h)], skin),
            lathe([(r + 0.0008, h * 0.15), (r + 0.0008, h * 0.5)], paper),
        ]
    )


def _carton(rng, photos: Photos, skin: Material) -> Mesh:
    """Plain, of cardboard, or printed."""
    x, y, z = rng.uniform(0.04, 0.32), rng.uniform(0.04, 0.25), rng.uniform(0.03, 0.3)
    face = (
        skin
        if rng.random() < 0.4
        else Material((1, 1, 1), label(rng) if rng.random() < 0.5 else photos.surface(rng, "cardboard"))
    )
    return box((-x / 2, -y / 2, 0), (x / 2, y / 2, z), face)


def _books(rng, photos: Photos, skin: Material) -> Mesh:
    """A pile, none quite straight."""
    parts, z = [], 0.0
    for _ in range(rng.integers(1, 7)):
        volume = tilt(book(rng, photos), 1, np.pi / 2)
        volume = place(volume, (0, 0, 0), rng.normal(0, 0.15))
        middle = (volume.low + volume.high) / 2
        parts.append(place(volume, (-middle[0], -middle[1], z - volume.low[2])))
        z += float(volume.size[2])
    return merge(parts)


def _papers(rng, photos: Photos, skin: Material) -> Mesh:
    """A few printed sheets."""
    sheet = Material((1, 1, 1), pattern(rng, "text"))
    return merge(
        [
            place(
                box((-0.105, -0.148, 0), (0.105, 0.148, 0.001), sheet),
                (*rng.normal(0, 0.06, 2), 0.0012 * i),
                rng.normal(0, 0.4),
            )
            for i in range(rng.integers(1, 6))
        ]
    )


def _bowl(rng, photos: Photos, skin: Material) -> Mesh:
    """Open at the top."""
    r = rng.uniform(0.06, 0.15)
    return lathe(
        [(0.001, 0), (r * 0.5, 0), (r, r * 0.55), (r * 0.95, r * 0.55), (r * 0.45, 0.01), (0.001, 0.01)],
        skin,
    )


def _ball(rng, photos: Photos, skin: Material) -> Mesh:
    """At rest on the surface."""
    r, angle = rng.uniform(0.03, 0.11), np.linspace(-np.pi / 2, np.pi / 2, 9)
    return lathe(np.stack([np.maximum(r * np.cos(angle), 0.001), r + r * np.sin(angle)], -1), skin)


def _cable(rng, photos: Photos, skin: Material) -> Mesh:
    """As it fell."""
    walk = np.cumsum(rng.normal(0, 0.05, (8, 2)), axis=0)
    bend = np.stack([np.interp(np.linspace(0, 7, 40), range(8), walk[:, k]) for k in (0, 1)], -1)
    return tube(
        np.concatenate([bend - bend.mean(0), np.full((40, 1), 0.004)], 1),
        0.004,
        Material((0.05, 0.05, 0.05)),
    )


def _bag(rng, photos: Photos, skin: Material) -> Mesh:
    """Of cloth, half closed."""
    r, h = rng.uniform(0.08, 0.16), rng.uniform(0.15, 0.3)
    return lathe(
        [(0.001, 0), (r, 0.01), (r * 1.1, h * 0.5), (r * rng.uniform(0.3, 0.8), h)], paint.cloth(rng)
    )


# What lies about, and how often.
_CLUTTER = {
    _cup: 0.16,
    _bottle: 0.17,
    _carton: 0.16,
    _books: 0.14,
    _papers: 0.12,
    _bowl: 0.07,
    _ball: 0.04,
    _cable: 0.09,
    _bag: 0.05,
}


def random_clutter(rng, photos: Photos) -> Mesh:
    """One piece of clutter: a cup, a bottle, a box, books, papers, a bowl or a cable."""
    make = list(_CLUTTER)[rng.choice(len(_CLUTTER), p=list(_CLUTTER.values()))]
    return make(rng, photos, paint.plain(rng, (0.05, 0.97), gloss=0.12))
