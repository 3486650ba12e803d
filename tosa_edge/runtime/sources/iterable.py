"""Anything in Python that gives pictures."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sized

import numpy as np

from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime.sources import Frame, Source


class IterableSource(Source):
    """RGB arrays, or frames that are taken as they are.

    Args:
        fps: of the pictures; live ones are stamped with the time they came.

    Example:
        >>> source = IterableSource(grabber.pictures(), live=True)
    """

    def __init__(
        self,
        pictures: Iterable[np.ndarray | Frame],
        fps: float = 30.0,
        live: bool = False,
        label: str = "pictures from Python",
    ) -> None:
        self.label, self.fps, self.live = label, fps, live
        self.frame_count = len(pictures) if isinstance(pictures, Sized) else None
        self._pictures = pictures
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        began = time.monotonic()
        for index, picture in enumerate(self._pictures):
            if self._closed.is_set():
                return
            if isinstance(picture, Frame):
                yield picture
            else:
                timestamp = time.monotonic() - began if self.live else index / self.fps
                yield Frame(index, timestamp, check_picture(picture, index), f"{index:06d}")

    def close(self) -> None:
        self._closed.set()


def check_picture(picture: np.ndarray, index: int) -> np.ndarray:
    if picture.ndim == 3 and picture.shape[2] == 3 and picture.dtype == np.uint8 and picture.size:
        return picture
    raise TosaEdgeError(
        f"picture {index} is {picture.dtype} {list(picture.shape)}", "Give RGB pictures: uint8 [H, W, 3]."
    )
