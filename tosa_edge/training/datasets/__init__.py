"""Labelled data for training, in the layouts that the public data sets come in.

One file a format, and `open_dataset` to find the right one. To add a format: write a file with a `Format`,
whose `find` turns a folder into frames that can be read, and name it in `FORMATS`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import numpy as np

from tosa_edge.errors import TosaEdgeError
from tosa_edge.training.datasets.diode import DIODE
from tosa_edge.training.datasets.fitted import FittedFrames
from tosa_edge.training.datasets.frame import Format, folders
from tosa_edge.training.datasets.kitti import KITTI
from tosa_edge.training.datasets.nyu_mat import NYU_MAT
from tosa_edge.training.datasets.nyu_rooms import NYU_ROOMS
from tosa_edge.training.datasets.plain import PLAIN
from tosa_edge.training.datasets.seven_scenes import SEVEN_SCENES
from tosa_edge.training.datasets.tum import TUM
from tosa_edge.training.shard_batches import Shards

FORMATS = (NYU_MAT, NYU_ROOMS, KITTI, DIODE, TUM, SEVEN_SCENES)


class Dataset(Protocol):
    """`refused` says what was left out and why, "NAME: reason"; it may grow while batches are read."""

    refused: list[str]

    def __len__(self) -> int: ...

    def batch(self, indices: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Pictures uint8 [B, H, W, 3] RGB and depth float32 [B, H, W] in metres, 0 where there is none."""
        ...


def open_dataset(path: str | Path, size: tuple[int, int]) -> Dataset:
    """The labelled frames at `path`, at the model's size (height, width); the format is told from the files.

    Example:
        >>> data = open_dataset("nyu_depth_v2_labeled.mat", (252, 336))
        >>> pictures, depths = data.batch([0, 1, 2])
    """
    path = Path(os.path.abspath(path))  # a folder's own name may tell what it is
    if not path.exists():
        raise TosaEdgeError(f"there is no {path}", "Check the path; `ls` its folder to see what is there.")
    if path.is_dir() and any(path.glob("shard-*.safetensors")):
        return _shards(path, size)
    kind = _recognise(path)
    found = kind.find(path)
    if not found.frames:
        why = f": {found.refused[0]}" if found.refused else ""
        raise TosaEdgeError(
            f"{path} holds no picture with its depth{why}", f"Make it whole; expected is {kind.layout}."
        )
    return FittedFrames(found, size)


def _recognise(path: Path) -> Format:
    """By the first folder from the top that one of the formats knows for its own."""
    if path.is_file() and path.suffix == ".mat":
        return NYU_MAT
    for folder, names in folders(path):
        # Any folder of pictures may lie deeper down, so only the one that was named counts as plain.
        for kind in (*FORMATS, PLAIN) if folder == path else FORMATS:
            if kind.marks(folder, names):
                return kind
    known = "; ".join(["shard-N.safetensors", *(kind.layout for kind in (*FORMATS, PLAIN))])
    raise TosaEdgeError(f"{path} holds no labelled data of a known layout", f"Give one of: {known}.")


def _shards(folder: Path, size: tuple[int, int]) -> Shards:
    """Shards are made at the model's size; to resize them now would only lose what was rendered."""
    from safetensors import safe_open

    shards = Shards(folder)
    for path in sorted({path for path, _ in shards.frames}):
        with safe_open(path, framework="np") as file:
            height, width = file.get_slice("image").get_shape()[1:3]
        if (height, width) != size:
            raise TosaEdgeError(
                f"{path} holds frames of {height}x{width}, but the model's size is {size[0]}x{size[1]}",
                "Render shards at the model's size, or train at the size of these.",
            )
    return shards
