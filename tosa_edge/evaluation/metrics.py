"""Depth metrics as pure functions. Depth is in metres; `valid` says where the ground truth can be used.

A relative model states inverse depth up to a scale and a shift. Both are found for each frame by least
squares against 1 / ground truth; the two baselines are aligned in the same way, so that a model has to beat
what the alignment alone gives to a picture of nothing.
"""

from __future__ import annotations

import numpy as np

MIN_EVAL_M, MAX_EVAL_M = 0.1, 10.0
# The crop of Eigen et al. for NYUv2 (rows 45:471, columns 41:601 of 480 x 640), as shares of any frame:
# Kinect readings near the border are unreliable.
CROP = (45 / 480, 471 / 480, 41 / 640, 601 / 640)
NAMES = ("absrel", "rmse", "delta1", "delta2", "delta3")


def valid_mask(truth: np.ndarray) -> np.ndarray:
    """float32 [H, W] metres -> bool [H, W]: a reading within range and inside the crop."""
    H, W = truth.shape
    top, bottom, left, right = CROP
    inside = np.zeros((H, W), bool)
    inside[int(top * H) : int(np.ceil(bottom * H)), int(left * W) : int(np.ceil(right * W))] = True
    return inside & np.isfinite(truth) & (truth > MIN_EVAL_M) & (truth < MAX_EVAL_M)


def align(relative: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Scale and shift that bring `relative` [n] nearest to 1 / `truth` [n]; a constant gets scale 0."""
    target = 1 / truth.astype(np.float64)
    x = relative.astype(np.float64)
    centred = x - x.mean()
    sum_squares = float(centred @ centred)
    # Rounding leaves a constant with a sum of squares of about (1e-7 of it) squared.
    if sum_squares <= 1e-12 * max(1e-300, float(x @ x)):
        return 0.0, float(target.mean())
    scale = float(centred @ (target - target.mean())) / sum_squares
    return scale, float(target.mean() - scale * x.mean())


def to_depth(relative: np.ndarray, scale: float, shift: float) -> np.ndarray:
    """Aligned inverse depth to metres, within the range that is evaluated."""
    inverse = scale * relative.astype(np.float64) + shift
    return 1 / np.clip(inverse, 1 / MAX_EVAL_M, 1 / MIN_EVAL_M)


def compare(depth: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """AbsRel, RMSE in metres, and the shares within factors of 1.25, 1.25^2, 1.25^3. Both are [n] metres."""
    ratio = np.maximum(depth / truth, truth / depth)
    scores = [np.mean(np.abs(depth - truth) / truth), np.sqrt(np.mean((depth - truth) ** 2))]
    scores += [np.mean(ratio < 1.25**power) for power in (1, 2, 3)]
    return {name: float(score) for name, score in zip(NAMES, scores, strict=True)}


def score_relative(relative: np.ndarray, truth: np.ndarray, valid: np.ndarray) -> dict[str, float]:
    """Relative inverse depth [H, W] against metres [H, W], after alignment."""
    some, true = relative[valid], truth[valid]
    return compare(to_depth(some, *align(some, true)), true)


def score_metric(depth: np.ndarray, truth: np.ndarray, valid: np.ndarray) -> dict[str, float]:
    """Metric depth [H, W] against metres [H, W], as it is."""
    return compare(np.clip(depth[valid], MIN_EVAL_M, MAX_EVAL_M), truth[valid])


def baselines(truth: np.ndarray, valid: np.ndarray) -> dict[str, dict[str, float]]:
    """What pictures of nothing score: all the same depth, and nearer towards the bottom."""
    ramp = np.broadcast_to(np.arange(truth.shape[0], dtype=np.float64)[:, None], truth.shape)
    return {
        "constant": score_relative(np.ones_like(truth), truth, valid),
        "ramp": score_relative(ramp, truth, valid),
    }


def mean(scores: list[dict[str, float]]) -> dict[str, float]:
    """The mean over frames, each frame counting once."""
    return {name: float(np.mean([s[name] for s in scores])) for name in NAMES}
