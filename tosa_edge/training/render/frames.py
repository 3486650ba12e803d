"""A scene number to its labelled frames: rooms, furniture, clutter, cameras, pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import camera as cameras
from .catalogue import load_furniture
from .furnish import furnish
from .furniture_roles import FurnitureByRole
from .house import build_rooms
from .place_clutter import drop
from .room import Room
from .scene import BACKDROP_M, Geometry, Scene, under_sky
from .sensor import photograph
from .shade import render
from .textures import Photos, find_photos


@dataclass(frozen=True)
class Assets:
    stock: FurnitureByRole
    photos: Photos


def load_assets(folder: Path | None) -> Assets:
    """From the folder given, else from the one that TOSA_EDGE_ASSETS names, and from the system."""
    named = os.environ.get("TOSA_EDGE_ASSETS")
    folder = folder or (Path(named) if named else None)
    photos = find_photos(folder)
    return Assets(FurnitureByRole(load_furniture(folder)), photos)


def build_scene(assets: Assets, rng: np.random.Generator) -> tuple[Scene, Room, np.ndarray]:
    """A furnished scene, its main room, and points worth looking at [K, 3]."""
    rooms = build_rooms(rng, assets.photos)
    for room in rooms:
        furnish(room, assets.stock, assets.photos, rng)
    main = rooms[0]
    solid = [mesh for room in rooms for mesh in room.meshes]
    lights = [light for room in rooms for light in room.lights]
    clutter = drop(main, Geometry(under_sky(main.meshes).corners), assets.stock, assets.photos, rng)
    ambient = rng.uniform(0.2, 0.6) * np.array([1.0, rng.uniform(0.9, 1.0), rng.uniform(0.75, 1.05)])
    tops = [((x0 + x1) / 2, (y0 + y1) / 2, z) for (x0, y0, x1, y1), z, _ in main.surfaces]
    middles = [((x0 + x1) / 2, (y0 + y1) / 2, 0.5) for x0, y0, x1, y1 in main.taken]
    small = [tuple((thing.low + thing.high) / 2) for thing in clutter]
    return Scene(solid + clutter, lights, ambient), main, np.array(tops + tops + middles + small)


def scene_frames(
    assets: Assets, seed: int, index: int, count: int, size: tuple[int, int], consecutive: int = 1
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """count pairs of image [H, W, 3] uint8 and depth [H, W] uint16 millimetres, in runs of
    consecutive frames along a hand-held path; they depend on nothing but the arguments."""
    scene, room, subjects = build_scene(assets, np.random.default_rng([seed, index]))
    bounds = (*room.bounds, room.height)
    for first in range(0, count, consecutive):
        rng = np.random.default_rng([seed, index, first + 1])
        start = cameras.choose(scene, bounds, subjects, np.array(room.thin), size, rng)
        views = cameras.path(start, min(consecutive, count - first), rng) if consecutive > 1 else [start]
        look = int(rng.integers(2**31))
        for view in views:
            picture = render(scene, view, rng)
            # One path is one camera: all its frames share their exposure, colours and blur.
            image = photograph(picture.radiance, np.random.default_rng(look))
            yield image, (np.minimum(picture.depth, BACKDROP_M) * 1000).round().astype(np.uint16)
