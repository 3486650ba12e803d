"""OpenCV, imported when first needed and told to be quiet: our errors say it in two lines."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any


def opencv() -> Any:
    """The module `cv2`."""
    # FFmpeg inside OpenCV reads its level from the environment; -8 is its word for silence.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    # OpenCV 5 moved the function that 4.x has at its top, and JetPack's old builds have neither.
    places: tuple[Any, ...] = (cv2, getattr(getattr(cv2, "utils", None), "logging", None))
    for place in places:
        if hasattr(place, "setLogLevel"):
            place.setLogLevel(0)
    return cv2


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Holds back what C code prints to stderr: opening a WebM writer prints a warning that no level stops."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
