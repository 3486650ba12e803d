"""When a stream's tokens are chosen anew: every so many frames, or when the picture has changed enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tosa_edge.errors import TosaEdgeError
from tosa_edge.pictures.opencv import opencv

_ROWS, _COLUMNS = 24, 32
_LEAST_CONTRAST = 8.0  # grey levels: below it the noise on a blank wall would be all the change there is


@dataclass(frozen=True)
class FrameSummary:
    """A frame in brief: its size, and a thumbnail whose mean is zero, so that exposure counts for little."""

    size: tuple[int, int]
    thumbnail: np.ndarray

    def change(self, now: FrameSummary) -> float:
        """How different another frame is: 0 the same, about 1.1 one that has nothing to do with this one."""
        contrast = max(float(self.thumbnail.std()), float(now.thumbnail.std()), _LEAST_CONTRAST)
        return float(np.abs(self.thumbnail - now.thumbnail).mean()) / contrast


def summarise_frame(frame: np.ndarray) -> FrameSummary:
    """uint8 or float [H, W, 3] -> what is remembered of it; some 0.1 ms."""
    cv2 = opencv()
    height, width = frame.shape[:2]
    green = frame[:: max(1, height // (2 * _ROWS)), :: max(1, width // (2 * _COLUMNS)), 1]
    small = cv2.resize(green.astype(np.float32), (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA)
    if np.issubdtype(frame.dtype, np.floating):
        small *= 255
    return FrameSummary((height, width), small - small.mean())


class RefreshRule(Protocol):
    def due(self, age: int, change: float) -> bool:
        """Choose anew? The last choice would be `age` frames old, on a picture that changed by so much."""


@dataclass(frozen=True)
class EveryNFrames:
    """Every n-th frame."""

    frame_count: int

    def due(self, age: int, change: float) -> bool:
        return age >= self.frame_count


@dataclass(frozen=True)
class OnPictureChange:
    """When the picture has changed by `limit` since the last choice; after `longest` frames at the latest."""

    limit: float
    longest: int = 60

    def due(self, age: int, change: float) -> bool:
        return change >= self.limit or age >= self.longest


def parse_refresh(text: str) -> RefreshRule | None:
    """`--refresh`: a number of frames, `auto`, or 1 for a new choice at every frame (None)."""
    if text == "auto":
        return AUTO
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 100_000):
        raise TosaEdgeError(f"--refresh {text} is no number of frames", "Give 1, 2, 3 and so on, or auto.")
    return EveryNFrames(int(text)) if int(text) > 1 else None


AUTO = OnPictureChange(0.5)
