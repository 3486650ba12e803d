"""DIODE: `NAME.png`, `NAME_depth.npy` float32 [H, W, 1] in metres, and `NAME_depth_mask.npy` [H, W]."""

from __future__ import annotations

import math
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import open_file
from tosa_edge.limits import PIXELS
from tosa_edge.pictures.reading import read_picture, require_file
from tosa_edge.training.datasets.frame import Format, FoundFrames, Labelled, folders, gather

_DEPTH = "_depth.npy"


def _marks(folder: Path, names: list[str]) -> bool:
    return any(name.endswith(_DEPTH) for name in names)


def _find(root: Path) -> FoundFrames:
    return gather(
        root,
        (
            (folder / f"{stem}.png", folder / name, folder / f"{stem}_depth_mask.npy")
            for folder, names in folders(root)
            for name in names
            if name.endswith(_DEPTH)
            for stem in (name.removesuffix(_DEPTH),)
        ),
        _read,
    )


def _read(picture: Path, depth: Path, mask: Path) -> Labelled:
    """Only where the mask says so is a value of the laser a reading."""
    values, valid = _plane(depth), _plane(mask)
    if values.shape != valid.shape:
        raise TosaEdgeError(
            f"{depth} is {values.shape}, but its mask is {valid.shape}", "Copy or download both again."
        )
    return read_picture(picture), np.where(valid > 0, values, 0).astype(np.float32)


def _plane(path: Path) -> np.ndarray:
    """The numbers of a .npy file, [H, W] or [H, W, 1] -> [H, W]."""
    require_file(path)
    try:
        with open_file(path) as file:
            _check_size(path, file)
            array = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:  # the last from a damaged header's shape
        raise TosaEdgeError(f"{path} is cut short or damaged", "Copy or download it again.") from error
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim != 2 or array.dtype.kind not in "fiub":
        raise TosaEdgeError(
            f"{path} holds {array.dtype} {array.shape}, not one number a pixel", "Copy or download it again."
        )
    return array


def _check_size(path: Path, file: BinaryIO) -> None:
    """The header claims a shape, for which memory is taken before the numbers are read."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    PIXELS.check(math.prod(read(file)[0]), str(path))
    file.seek(0)


DIODE = Format("DIODE (NAME.png, NAME_depth.npy and NAME_depth_mask.npy)", _marks, _find)
