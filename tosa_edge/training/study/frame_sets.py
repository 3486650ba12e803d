"""Sets of frames with ground truth: read once, fitted once as the runtime fits them, kept in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tosa_edge.calibration.pictures import evenly_spaced
from tosa_edge.errors import TosaEdgeError
from tosa_edge.evaluation import metrics
from tosa_edge.evaluation.depth_data import Sample, find_pairs, read_samples
from tosa_edge.evaluation.evaluate import MIN_READINGS
from tosa_edge.pictures.fit import Fit, fit_for, resample
from tosa_edge.training.shard_batches import Shards

FIT = "letterbox"  # what `tosa-edge evaluate` does unless told otherwise


@dataclass(frozen=True)
class ScoredFrame:
    """`picture` is uint8 [h, w, 3] at the model's size; `truth` and `valid` are [H, W] at the depth's own."""

    name: str
    picture: np.ndarray
    fit: Fit
    truth: np.ndarray
    valid: np.ndarray
    digest: str

    def restore(self, depth: np.ndarray) -> np.ndarray:
        """A prediction [h, w] at the model's size -> [H, W] at the truth's."""
        return resample(self.fit.backward(depth), (self.truth.shape[0], self.truth.shape[1]))


@dataclass(frozen=True)
class FrameSet:
    name: str
    frames: list[ScoredFrame]

    @property
    def digest(self) -> str:
        return hashlib.sha256("".join(f.digest for f in self.frames).encode()).hexdigest()


def read_folder(name: str, path: Path, size: tuple[int, int]) -> FrameSet:
    """A folder of pictures with depth; `FOLDER/BEGINNING` means those whose names begin so."""
    folder, beginning = (path, "") if path.is_dir() else (path.parent, path.name)
    pairs = [p for p in find_pairs(folder) if p[0].stem.startswith(beginning)]
    if not pairs:
        raise TosaEdgeError(f"no frame of {folder} begins with {beginning!r}", "Check --data NAME=DIR.")
    return FrameSet(name, [fitted(sample, size) for sample in read_samples(pairs)])


def read_renders(name: str, folder: Path, size: tuple[int, int], most: int) -> FrameSet:
    """Frames of a folder of shards, evenly spread; those that show hardly anything in range are left out."""
    frames = [fitted(s, size) for s in _rendered(Shards(folder), most) if _readings(s) >= MIN_READINGS]
    if not frames:
        raise TosaEdgeError(f"no frame of {folder} has depth in range", "Render other frames.")
    return FrameSet(name, frames)


def fitted(sample: Sample, size: tuple[int, int]) -> ScoredFrame:
    """One sample as the model of this size sees it."""
    if _readings(sample) < MIN_READINGS:
        raise TosaEdgeError(
            f"the depth of {sample.name} has {_readings(sample)} readings between "
            f"{metrics.MIN_EVAL_M} and {metrics.MAX_EVAL_M} m",
            "Check that it is in millimetres (16-bit PNG), or take the frame out.",
        )
    fit = fit_for((sample.picture.shape[0], sample.picture.shape[1]), size, FIT)
    picture = fit.forward(sample.picture)
    digest = hashlib.sha256(picture.tobytes() + sample.depth.tobytes()).hexdigest()[:16]
    return ScoredFrame(sample.name, picture, fit, sample.depth, metrics.valid_mask(sample.depth), digest)


def _rendered(shards: Shards, most: int) -> Iterator[Sample]:
    for index in evenly_spaced(len(shards), most):
        images, depths = shards.batch([index])
        yield Sample(f"{index:06d}", images[0], depths[0])


def _readings(sample: Sample) -> int:
    return int(metrics.valid_mask(sample.depth).sum())
