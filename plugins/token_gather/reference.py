"""TokenGather in NumPy, in the precision of its input; and the check that every index list must pass."""

from __future__ import annotations

import numpy as np


def check_index(index: np.ndarray, tokens: int) -> None:
    """index [B, K] must be ascending, without repeats, and within [0, tokens)."""
    if index.ndim != 2 or index.dtype.kind != "i":
        raise ValueError(f"index is {index.dtype}{list(index.shape)}, not whole numbers [B, K]")
    if index.size and (index.min() < 0 or index.max() >= tokens):
        raise ValueError(f"index holds {index.min()}..{index.max()}, of {tokens} tokens")
    if (np.diff(index, axis=1) <= 0).any():
        raise ValueError("index is not strictly ascending: it is unsorted or holds a token twice")


def token_gather(
    x: np.ndarray, index: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """x [B, T, D], index [B, K], weight and bias [D] -> rows and normed [B, K, D]."""
    check_index(index, x.shape[1])
    rows = np.take_along_axis(x, index[:, :, None], axis=1)
    centred = rows - rows.mean(-1, keepdims=True)
    normed = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon) * weight + bias
    return rows, normed
