"""SelectiveAttention in NumPy, in the precision of its input."""

from __future__ import annotations

import numpy as np


def selective_attention(qkv: np.ndarray, *, num_heads: int, scale: float) -> np.ndarray:
    """qkv [B, K, 3D] -> [B, K, D]."""
    batch, kept, width = qkv.shape
    if width % (3 * num_heads):
        raise ValueError(f"qkv is {width} wide: not three times a multiple of {num_heads} heads")
    q, k, v = np.split(qkv.reshape(batch, kept, 3 * num_heads, -1).transpose(0, 2, 1, 3), 3, axis=1)
    scores = scale * q @ k.transpose(0, 1, 3, 2)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return (weights @ v).transpose(0, 2, 1, 3).reshape(batch, kept, -1)
