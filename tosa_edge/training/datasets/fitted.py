"""Frames of any size as batches of one size, with what is damaged named and never trained on."""

from __future__ import annotations

import numpy as np

from tosa_edge.errors import TosaEdgeError
from tosa_edge.pictures.fit import fit_for, resample
from tosa_edge.training.datasets.frame import DatasetFrame, FoundFrames, Labelled


class FittedFrames:
    """Each picture fills `size` (height, width): resized to cover it, then the middle is kept.

    A frame that turns out to be damaged is added to `refused` when it is first met, and the next readable
    frame takes its place: the one after it in the list, from the end back to the start. So `len` and every
    other frame of a batch stay what they were, and a run that is killed sees the same batches again.
    """

    def __init__(self, found: FoundFrames, size: tuple[int, int]) -> None:
        self.frames = found.frames
        self.refused = list(found.refused)
        self.size = size
        self._damaged: set[int] = set()
        self._remedy = "Check that the disk is still there, then copy or download the data again."

    def __len__(self) -> int:
        return len(self.frames)

    def batch(self, indices: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Pictures uint8 [B, H, W, 3] and depth float32 [B, H, W] in metres, 0 where there is no reading."""
        pictures, depths = zip(*(self._readable(i) for i in indices), strict=True)
        return np.stack(pictures), np.stack(depths)

    def _readable(self, index: int) -> Labelled:
        for step in range(len(self.frames)):
            at = (index + step) % len(self.frames)
            if at in self._damaged:
                continue
            try:
                return _fit(self.frames[at], self.size)
            except (TosaEdgeError, OSError) as error:
                if isinstance(error, TosaEdgeError):
                    reason, self._remedy = error.what, error.remedy
                else:
                    reason = str(error)
                self._damaged.add(at)
                self.refused.append(f"{self.frames[at].name}: {reason}")
        raise TosaEdgeError(
            f"none of the {len(self.frames)} frames can be used, the last: {self.refused[-1]}", self._remedy
        )


def _fit(frame: DatasetFrame, size: tuple[int, int]) -> Labelled:
    picture, depth = frame.read()
    (H, W), (h, w) = picture.shape[:2], depth.shape
    # Depth may be coarser than its picture, but one pixel of rounding is all their shapes may differ by.
    if abs(H * w - h * W) > max(H, W) + max(h, w):
        raise TosaEdgeError(
            f"the picture is {W}x{H}, but its depth is {w}x{h}: not the same view",
            "Register the depth to the picture first.",
        )
    seen = depth[fit_for((h, w), size, "crop").source.slices]
    # Between two surfaces there is nothing: depth is picked, never averaged.
    fitted = resample(np.ascontiguousarray(seen, np.float32), size, nearest=True)
    readings = np.where(np.isfinite(fitted) & (fitted > 0), fitted, np.float32(0))
    if not readings.any():
        raise TosaEdgeError("its depth holds no reading", "Check what its values mean, or leave it out.")
    return fit_for((H, W), size, "crop").forward(picture), readings
