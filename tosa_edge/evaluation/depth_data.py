"""Reads `--data DIR`: pictures with depth in millimetres.

Either `NAME.jpg` with `NAME.png` beside it, or `rgb/NAME.jpg|png` with `depth/NAME.png`. Depth is a 16-bit
PNG where 0 is no reading.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tosa_edge.errors import TosaEdgeError
from tosa_edge.pictures.reading import read_depth, read_picture
from tosa_edge.runtime.sources.address import natural

_JPEG = (".jpg", ".jpeg")
_LAYOUTS = "Put NAME.jpg beside NAME.png (16-bit, millimetres), or pictures in rgb/ and depth in depth/."


@dataclass(frozen=True)
class Sample:
    """`picture` is RGB uint8 [H, W, 3]; `depth` is metres, float32 [h, w], 0 where there is no reading."""

    name: str
    picture: np.ndarray
    depth: np.ndarray

    @property
    def group(self) -> str:
        """The data set it came from: the name up to the first underscore."""
        return self.name.partition("_")[0] if "_" in self.name else "all"


def find_pairs(folder: Path) -> list[tuple[Path, Path]]:
    """(picture, depth) paths in natural order."""
    if not folder.is_dir():
        raise TosaEdgeError(
            f"there is no folder {folder}", f"Give a folder of pictures with depth. {_LAYOUTS}"
        )
    if (folder / "rgb").is_dir() and (folder / "depth").is_dir():
        pictures, where = _pictures(folder / "rgb", (*_JPEG, ".png")), folder / "depth"
    else:
        pictures, where = _pictures(folder, _JPEG), folder
    pairs = [(p, where / f"{p.stem}.png") for p in pictures]
    lonely = [p for p, depth in pairs if not depth.is_file()]
    if not pairs or len(lonely) == len(pairs):
        raise TosaEdgeError(f"{folder} holds no pictures with depth", _LAYOUTS)
    if lonely:
        raise TosaEdgeError(
            f"{lonely[0]} has no depth {where / (lonely[0].stem + '.png')}"
            + (f", nor have {len(lonely) - 1} others" if len(lonely) > 1 else ""),
            "Add the missing depth, or take those pictures out of the folder.",
        )
    return pairs


def read_samples(pairs: list[tuple[Path, Path]], refused: list[str] | None = None) -> Iterator[Sample]:
    """Args: refused: told of frames that are left out because they cannot be read; None lets none be."""
    for pair in pairs:
        try:
            yield _read(*pair)
        except TosaEdgeError as error:
            if refused is None:
                raise
            refused.append(error.what)


def _read(picture_path: Path, depth_path: Path) -> Sample:
    picture, depth = read_picture(picture_path), read_depth(depth_path)
    (H, W), (h, w) = picture.shape[:2], depth.shape
    if abs(H * w - h * W) > max(H, W) + max(h, w):
        raise TosaEdgeError(
            f"{picture_path} is {W}x{H}, but its depth is {w}x{h}: not the same view",
            "Register the depth to the picture first.",
        )
    return Sample(picture_path.stem, picture, depth)


def _pictures(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    return sorted((p for p in folder.iterdir() if p.suffix.lower() in suffixes), key=natural)
