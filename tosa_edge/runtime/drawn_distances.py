"""Relative inverse depth made into distances that something can be drawn at."""

from __future__ import annotations

import numpy as np

# Relative depth says nothing of this: far is drawn so many times as far away as near.
DRAWN_DEPTH_RATIO = 5.0


def drawn_distances(relative: np.ndarray, near: float, far: float) -> np.ndarray:
    """float32 without a unit: 1 where `relative` is `near` or nearer, `DRAWN_DEPTH_RATIO` at `far`.

    Inverse depth is known up to a scale and a shift, and may be negative. The scale makes the scene larger,
    the shift bends it: so the order along a ray is the model's, the distances are a guess.
    """
    share = np.clip((relative - far) / max(near - far, 1e-6), 0, 1)
    return (1 / (share + (1 - share) / DRAWN_DEPTH_RATIO)).astype(np.float32)
