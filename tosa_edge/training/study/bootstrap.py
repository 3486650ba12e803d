"""How sure a loss of accuracy is: the paired bootstrap, in NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000
FEWEST_RUNS = 5  # of fewer there are too few combinations to say how sure anything is
_AT_ONCE = 1000  # resamples that are in memory together


@dataclass(frozen=True)
class Loss:
    """In percent of the reference's mean, with the 95 % interval; NaN where frames are too few."""

    percent: float
    low: float
    high: float


def relative_loss(
    reference: np.ndarray, other: np.ndarray, block: int = 1, resamples: int = RESAMPLES, seed: int = 0
) -> Loss:
    """Mean of `reference - other` relative to that of `reference`; both are [n] scores of the same frames.

    Both are drawn together, so what makes a frame hard for both cancels out. Neighbours that are alike, as in
    a clip, would make the interval too narrow if they were drawn one by one: with `block` they are drawn as
    runs of so many consecutive frames, starting anywhere (the moving-block bootstrap).
    """
    if reference.shape != other.shape or reference.ndim != 1 or not len(reference):
        raise ValueError(f"scores of shapes {reference.shape} and {other.shape} are no pairs")
    if not reference.mean():
        return Loss(np.nan, np.nan, np.nan)
    percent = float(100 * (reference.mean() - other.mean()) / reference.mean())
    if len(reference) < FEWEST_RUNS * block:
        return Loss(percent, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    losses = []
    for begin in range(0, resamples, _AT_ONCE):
        drawn = draw(rng, min(_AT_ONCE, resamples - begin), len(reference), block)
        means = reference[drawn].mean(1)
        # A resample without a single right frame in it has no relative loss.
        losses.append((means - other[drawn].mean(1))[means > 0] / means[means > 0])
    low, high = np.quantile(np.concatenate(losses), (0.025, 0.975))
    return Loss(percent, float(100 * low), float(100 * high))


def draw(rng: np.random.Generator, resamples: int, frames: int, block: int) -> np.ndarray:
    """Indices [resamples, frames], in runs of `block`; the last run is cut to fit."""
    block = min(block, frames)
    runs = -(-frames // block)
    starts = rng.integers(0, frames - block + 1, (resamples, runs))
    return (starts[..., None] + np.arange(block)).reshape(resamples, -1)[:, :frames]
