"""TokenImportance in NumPy, in the precision of its input."""

from __future__ import annotations

import numpy as np


def token_importance(
    qkv: np.ndarray,
    w1: np.ndarray | None = None,
    b1: np.ndarray | None = None,
    w2: np.ndarray | None = None,
    *,
    num_heads: int,
    query_stride: int,
    scale: float,
) -> np.ndarray:
    """qkv [B, T, 3D], w1 [hidden, heads], b1 [hidden], w2 [heads, hidden] -> importance [B, T]."""
    batch, tokens, width = qkv.shape
    if width % (3 * num_heads):
        raise ValueError(f"qkv is {width} wide: not three times a multiple of {num_heads} heads")
    if query_stride < 1:
        raise ValueError(f"query_stride is {query_stride}: it must be at least 1")
    q, k, _ = np.split(qkv.reshape(batch, tokens, 3 * num_heads, -1).transpose(0, 2, 1, 3), 3, axis=1)
    scores = scale * q[:, :, ::query_stride] @ k.transpose(0, 1, 3, 2)
    if w1 is not None and b1 is not None and w2 is not None:
        hidden = np.maximum(np.einsum("ch,bhqt->bcqt", w1, scores) + b1[:, None, None], 0)
        scores = np.einsum("hc,bcqt->bhqt", w2, hidden)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return (weights / weights.sum(-1, keepdims=True)).sum((1, 2))
