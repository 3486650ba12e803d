"""Flicker: how much predicted depth changes from frame to frame where the truth does not change like it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tosa_edge.evaluation.metrics import align, to_depth


def flicker(
    relative: Sequence[np.ndarray],
    truth: Sequence[np.ndarray],
    valid: Sequence[np.ndarray],
    once: bool = False,
) -> list[float]:
    """For each pair of consecutive frames the mean of |change of log prediction - change of log truth|.

    The mean is over the pixels that are valid in both frames; a pair without any is left out. A camera that
    moves changes the truth too, and by as much is the prediction expected to change.

    Args:
        relative: inverse depth up to scale and shift, one [H, W] for each frame.
        truth: metres [H, W]; valid: where they can be used.
        once: one scale and shift for the whole clip, as a robot would keep them; otherwise each frame's own,
            which hides a depth that breathes as a whole.
    """
    if once:
        fits = [align_all(relative, truth, valid)] * len(relative)
    else:
        fits = [align(r[v], t[v]) for r, t, v in zip(relative, truth, valid, strict=True)]
    changes: list[float] = []
    previous = None
    for r, t, v, fit in zip(relative, truth, valid, fits, strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):  # where there is no reading
            error = np.log(to_depth(r, *fit)) - np.log(t)
        if previous is not None and (both := v & previous[1]).any():
            changes.append(float(np.abs(error[both] - previous[0][both]).mean()))
        previous = error, v
    return changes


def align_all(
    relative: Sequence[np.ndarray], truth: Sequence[np.ndarray], valid: Sequence[np.ndarray]
) -> tuple[float, float]:
    """`metrics.align` over all frames at once, each pixel counting once, without holding copies of them."""
    pairs = [(r[v], t[v]) for r, t, v in zip(relative, truth, valid, strict=True)]
    pixels = sum(r.size for r, _ in pairs)
    x_mean = sum(r.sum(dtype=np.float64) for r, _ in pairs) / pixels
    y_mean = sum((1 / t.astype(np.float64)).sum() for _, t in pairs) / pixels
    sum_squares = shared = 0.0
    for r, t in pairs:
        x = r.astype(np.float64) - x_mean
        sum_squares += float(x @ x)
        shared += float(x @ (1 / t.astype(np.float64) - y_mean))
    scale = shared / sum_squares if sum_squares > 1e-12 * pixels * max(1e-300, float(x_mean) ** 2) else 0.0
    return scale, float(y_mean - scale * x_mean)
