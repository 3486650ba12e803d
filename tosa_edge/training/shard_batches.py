"""Labelled frames for training: shards of pictures and depth, drawn in a seeded order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.random import Generator

from tosa_edge.calibration.pictures import evenly_spaced
from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import require_regular
from tosa_edge.pictures.fit import BARS


class Shards:
    """A folder of `shard-*.safetensors`: `image` uint8 [F, H, W, 3], `depth` uint16 [F, H, W] in mm.

    A shard that cannot be read whole is named and left out, never trained on.
    """

    def __init__(self, folder: str | Path) -> None:
        from safetensors import SafetensorError, safe_open

        self.frames: list[tuple[Path, int]] = []
        self.refused: list[str] = []
        for path in sorted(Path(folder).glob("shard-*.safetensors")):
            try:
                require_regular(path, limit=None)
                with safe_open(path, framework="np") as file:
                    shape, depth = (file.get_slice(name).get_shape() for name in ("image", "depth"))
            except (SafetensorError, OSError, TosaEdgeError) as error:
                self.refused.append(f"{path.name}: {error}")
                continue
            if shape[:3] != depth:
                self.refused.append(f"{path.name}: pictures {shape} and depth {depth} do not match")
                continue
            self.frames += [(path, i) for i in range(shape[0])]
        if not self.frames:
            raise TosaEdgeError(
                f"{folder} holds no readable shards",
                "Render some, in a clone: python -m tosa_edge.training.render --out FOLDER --frames 20000.",
            )

    def __len__(self) -> int:
        return len(self.frames)

    def batch(self, indices: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Pictures uint8 [B, H, W, 3] and depth float32 [B, H, W] in metres."""
        from safetensors import safe_open

        images, depths = [], []
        for i in indices:
            path, row = self.frames[i]
            with safe_open(path, framework="np") as file:
                images.append(file.get_slice("image")[row])
                depths.append(file.get_slice("depth")[row].astype(np.float32) / 1000)
        return np.stack(images), np.stack(depths)

    def pictures(self, size: tuple[int, int], most: int) -> np.ndarray:
        """Without their labels, evenly spread: uint8 [n, H, W, 3] at that (height, width)."""
        images, depths = self.batch(evenly_spaced(len(self), most))
        return shrunk(images, depths, size)[0]


def batch_indices(count: int, batch: int, seed: int, step: int) -> list[int]:
    """What the step-th batch is made of: each epoch has its own seeded order and sees a frame once."""
    per_epoch = max(1, count // batch)
    epoch, place = divmod(step, per_epoch)
    order = np.random.default_rng((seed, epoch)).permutation(count)
    return order[place * batch : (place + 1) * batch].tolist()


def shrunk(images: np.ndarray, depths: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [B, H, W, 3] and float32 [B, H, W] at another (height, width)."""
    import cv2

    if images.shape[1:3] == size:
        return images, depths
    pictures = [cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA) for image in images]
    nearest = [cv2.resize(depth, size[::-1], interpolation=cv2.INTER_NEAREST) for depth in depths]
    return np.stack(pictures), np.stack(nearest)


def augment(image: np.ndarray, depth: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """One frame as another camera might have seen it: mirrored, zoomed, shaded, recoloured, blurred, in bars.

    image uint8 [H, W, 3], depth float32 [H, W] -> the same shapes. A zoom scales no depth: the loss ignores
    scale. Noise and compression are the renderer's, which knows the light.
    """
    import cv2

    height, width = depth.shape
    if rng.random() < 0.5:
        image, depth = image[:, ::-1], depth[:, ::-1]
    zoom = 1 - 0.4 * rng.random() ** 2  # most pictures stay nearly as wide as the camera sees
    h, w = int(height * zoom), int(width * zoom * rng.uniform(0.9, 1.0))
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    image, depth = image[top : top + h, left : left + w], depth[top : top + h, left : left + w]
    image = cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=cv2.INTER_LINEAR)
    depth = cv2.resize(np.ascontiguousarray(depth), (width, height), interpolation=cv2.INTER_NEAREST)

    picture = image.astype(np.float32) / 255
    if rng.random() < 0.5:
        picture = picture * _shade(height, width, rng)[..., None]
    picture = picture ** rng.uniform(0.7, 1.4) * rng.uniform(0.75, 1.25) * rng.uniform(0.9, 1.1, 3)
    grey = picture.mean(-1, keepdims=True)
    picture = grey + (picture - grey) * (0 if rng.random() < 0.05 else rng.uniform(0.5, 1.4))
    picture = picture.mean() + (picture - picture.mean()) * rng.uniform(0.7, 1.3)
    if rng.random() < 0.2:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.5))
    image, depth = (picture.clip(0, 1) * 255).astype(np.uint8), depth.astype(np.float32)
    if rng.random() < 0.25:
        _put_in_bars(image, depth, rng)
    return image, depth


def _shade(height: int, width: int, rng: Generator) -> np.ndarray:
    """A light of its own for every part of a picture, float32 [H, W]: depth is not told by brightness."""
    import cv2

    coarse = rng.normal(0, 0.4, (rng.integers(2, 5), rng.integers(2, 6))).astype(np.float32)
    return np.exp(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def _put_in_bars(image: np.ndarray, depth: np.ndarray, rng: Generator) -> None:
    """Covers two edges, in place, as the runtime's letterbox does to pictures of another shape."""
    across = rng.random() < 0.75
    picture, label = (image, depth) if across else (image.swapaxes(0, 1), depth.T)
    bar = int(len(label) * rng.uniform(0, 0.225))
    for edge in (slice(bar), slice(len(label) - bar, None)):
        picture[edge], label[edge] = BARS, 0.0
