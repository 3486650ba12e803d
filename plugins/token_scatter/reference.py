"""TokenScatter in NumPy, in the precision of its input."""

from __future__ import annotations

import numpy as np

from tosa_edge.plugins.token_gather.reference import check_index


def token_scatter(
    x: np.ndarray, index: np.ndarray, rows: np.ndarray, update: np.ndarray, gamma: np.ndarray
) -> np.ndarray:
    """x [B, T, D], index [B, K], rows and update [B, K, D], gamma [D] -> [B, T, D]."""
    check_index(index, x.shape[1])
    out = x.copy()
    np.put_along_axis(out, index[:, :, None], rows + gamma * update, axis=1)
    return out
