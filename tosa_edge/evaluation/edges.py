"""How right depth is where it jumps: delta1 over a whole frame is mostly walls and floors."""

from __future__ import annotations

import numpy as np

from tosa_edge.evaluation import metrics
from tosa_edge.pictures.opencv import opencv

STEP = 1.15  # between neighbours, as a ratio of depths
NEAR = 3  # pixels from the step
_BEYOND = 99.0  # e-folds of a metre: what is no reading is neither farthest nor nearest


def near_edges(truth: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """float32 [H, W] metres -> bool [H, W]: a reading, and near a step in depth."""
    cv2 = opencv()
    logs = np.log(np.where(valid, truth, 1)).astype(np.float32)
    around = np.ones((3, 3), np.uint8)
    rim = {"borderType": cv2.BORDER_REPLICATE}  # OpenCV's own is the largest number there is
    farthest = cv2.dilate(np.where(valid, logs, -_BEYOND).astype(np.float32), around, **rim)
    nearest = cv2.erode(np.where(valid, logs, _BEYOND).astype(np.float32), around, **rim)
    steps = valid & (farthest - nearest > np.log(STEP))
    reach = np.ones((2 * NEAR - 1, 2 * NEAR - 1), np.uint8)
    return valid & (cv2.dilate(steps.astype(np.uint8), reach) > 0)


def delta1_near_edges(relative: np.ndarray, truth: np.ndarray, valid: np.ndarray) -> float:
    """Of relative inverse depth [H, W], aligned over all of the frame; NaN where depth has no step."""
    near = near_edges(truth, valid)
    if not near.any():
        return float("nan")
    depth = metrics.to_depth(relative[near], *metrics.align(relative[valid], truth[valid]))
    return metrics.compare(depth, truth[near])["delta1"]
