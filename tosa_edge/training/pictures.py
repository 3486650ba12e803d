"""Pictures without labels: a folder, one picture, or a video, as many as are wanted and evenly spread."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime.fit import plan
from tosa_edge.runtime.pictures import SUFFIXES
from tosa_edge.runtime.sources import open_source
from tosa_edge.training.held_out import refuse_held_out


def read_pictures(path: Path, size: tuple[int, int], most: int) -> tuple[np.ndarray, list[str]]:
    """uint8 [n, H, W, 3] cropped to `size`, and what was left out because it could not be read whole."""
    pictures, refused = [], []
    for one in _files(path, most):
        try:
            if one.suffix.lower() in SUFFIXES:  # a video is too long to read twice
                refuse_held_out(one)
            pictures += _frames(one, size, most)
        except TosaEdgeError as error:
            refused.append(error.what)
    if not pictures:
        raise TosaEdgeError(
            refused[0] if refused else f"{path} holds no pictures",
            "Give --images a folder of pictures, or a video, from where the model is going to work.",
        )
    return np.stack(pictures[:most]), refused


def _files(path: Path, most: int) -> list[Path]:
    """One source for each picture of a folder, so that a bad one costs only itself."""
    if not path.is_dir():
        return [path]
    files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    return [files[i] for i in _spread(len(files), most)]


def _frames(path: Path, size: tuple[int, int], most: int) -> list[np.ndarray]:
    source = open_source(str(path))
    try:
        wanted = set(_spread(source.frames, most)) if source.frames else None
        return [
            plan(frame.picture.shape[:2], size, "crop").forward(frame.picture)
            for frame in source
            if wanted is None or frame.index in wanted
        ]
    finally:
        source.close()


def _spread(count: int, most: int) -> list[int]:
    """At most `most` of the numbers below `count`, evenly."""
    chosen = min(count, most)
    return [i * count // chosen for i in range(chosen)]
