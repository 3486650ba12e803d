"""Tiny data sets in the real layouts, and a scene in which picture and depth can be compared."""

from pathlib import Path

import cv2
import numpy as np

from tests.media import write_picture


def write_colour(path: Path, seed: int = 0, height: int = 60, width: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_picture(path, height, width, seed)


def write_depth(path: Path, counts: int | np.ndarray, height: int = 60, width: int = 90) -> Path:
    """A 16-bit PNG, of one value or of the values given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.full((height, width), counts, np.uint16) if isinstance(counts, int) else counts
    cv2.imwrite(str(path), values)
    return path


def write_pair(picture: Path, depth: Path, counts: int = 2000, seed: int = 0) -> None:
    write_colour(picture, seed)
    write_depth(depth, counts)


def scene(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture whose red says the column and whose green says the row, and two depths that say them too.

    Red 0 to 255 is 1 to 2 m from left to right in the first depth, green the same downwards in the second.
    """
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    picture = np.stack([255 * across, 255 * down, 0 * down], -1).round().astype(np.uint8)
    return picture, 1 + across, 1 + down
