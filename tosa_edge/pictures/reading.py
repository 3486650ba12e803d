"""Reads one picture, whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import read_bytes, require_regular
from tosa_edge.limits import BYTES, PIXELS
from tosa_edge.pictures.opencv import opencv, silence
from tosa_edge.pictures.size import size_of
from tosa_edge.pictures.truncation import is_whole, is_whole_data

if TYPE_CHECKING:
    import numpy as np

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})


def read_picture(path: Path) -> np.ndarray:
    """RGB uint8 [H, W, 3], turned upright as its EXIF says."""
    cv2 = opencv()
    return cv2.cvtColor(_decode(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_depth(path: Path) -> np.ndarray:
    """A 16-bit depth picture in millimetres -> metres, float32 [H, W]; 0 is no reading."""
    import numpy as np

    cv2 = opencv()
    raw = _decode(path, cv2.IMREAD_UNCHANGED)
    if raw.dtype != np.uint16 or raw.ndim != 2:
        kind = "colour" if raw.ndim == 3 else f"{raw.dtype.itemsize * 8}-bit"
        raise TosaEdgeError(
            f"{path} is a {kind} picture, not depth", "Depth is a single-channel 16-bit PNG in millimetres."
        )
    return raw.astype(np.float32) / 1000


def require_file(path: Path) -> None:
    """One of our errors when there is nothing to read at `path`."""
    if not path.exists():
        raise TosaEdgeError(f"there is no {path}", "Check the path; `ls` its folder to see what is there.")
    if path.is_dir():
        raise TosaEdgeError(f"{path} is a folder, not a file", "Give the path of a file in it.")
    require_regular(path, limit=None)
    if not path.stat().st_size:
        raise TosaEdgeError(f"{path} is empty (0 bytes)", "Copy or download it again.")
    if not os.access(path, os.R_OK):
        raise TosaEdgeError(
            f"{path} cannot be read: permission denied",
            "Ask for the right to read it: ls -l shows who has it.",
        )


def decode_picture(data: bytes, name: str) -> np.ndarray:
    """`read_picture` of a file that is in memory."""
    BYTES.check(len(data), f"{name} is too large")
    if not is_whole_data(data):
        raise TosaEdgeError(f"{name} is cut short or damaged", "Copy or download it again.")
    cv2 = opencv()
    return cv2.cvtColor(_decoded(data, name, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _decode(path: Path, flags: int) -> np.ndarray:
    require_file(path)
    if not is_whole(path):
        raise TosaEdgeError(f"{path} is cut short or damaged", "Copy or download it again.")
    return _decoded(read_bytes(path), str(path), flags)


def _decoded(data: bytes, name: str, flags: int) -> np.ndarray:
    import numpy as np

    if size := size_of(data):
        PIXELS.check(size[0] * size[1], f"{name} is {size[0]}x{size[1]}")
    cv2 = opencv()
    picture = None
    # Where memory runs out all the same, OpenCV says so by an error of its own.
    with silence(), contextlib.suppress(cv2.error):
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if size else None
    if picture is None:
        known = ", ".join(sorted(s[1:] for s in SUFFIXES))
        raise TosaEdgeError(f"{name} is not a picture that OpenCV can read", f"Give one of: {known}.")
    return picture
