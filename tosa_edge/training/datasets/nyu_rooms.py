"""NYU Depth V2 as folders of pictures, one folder a room, in the three forms that go round.

| picture | depth | values |
|---|---|---|
| `rgb_00045.jpg` | `sync_depth_00045.png` | 16 bits, millimetres |
| `00045_colors.png` | `00045_depth.png` | 16 bits, millimetres |
| `kitchen_0001_out/45.jpg` | `kitchen_0001_out/45.png` | 8 bits, 255 is 10 m |
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from tosa_edge.errors import TosaEdgeError
from tosa_edge.pictures.reading import read_depth, read_picture
from tosa_edge.training.datasets.frame import Format, FoundFrames, Labelled, folders, gather

_FORMS = (
    (re.compile(r"rgb_(\w+)\.(?:jpg|png)"), "sync_depth_{}.png"),
    (re.compile(r"(\w+)_colors\.png"), "{}_depth.png"),
)
_EIGHT_BIT_FORM = (re.compile(r"(\d+)\.jpg"), "{}.png")


def _marks(folder: Path, names: list[str]) -> bool:
    there = set(names)
    pairs = ((name, _depth_name(folder, name)) for name in names)
    whole = next((depth for _, depth in pairs if depth in there), None)
    # Folders of anybody's pictures may end in _out too, but their depth has 16 bits.
    return whole is not None and (not _is_quantised(folder) or _has_8_bits(folder / whole))


def _find(root: Path) -> FoundFrames:
    return gather(
        root,
        (
            (folder / name, folder / depth)
            for folder, names in folders(root)
            for name in names
            if (depth := _depth_name(folder, name))
        ),
        _read,
    )


def _depth_name(folder: Path, picture: str) -> str | None:
    """The name of the depth that belongs to a picture, None if the file is no picture of any form."""
    for pattern, depth in (_EIGHT_BIT_FORM,) if _is_quantised(folder) else _FORMS:
        if match := pattern.fullmatch(picture):
            return depth.format(match[1])
    return None


def _read(picture: Path, depth: Path) -> Labelled:
    if not _is_quantised(depth.parent):
        return read_picture(picture), read_depth(depth)
    if not _has_8_bits(depth):
        raise TosaEdgeError(f"{depth} is not an 8-bit grey PNG", "Copy or download it again.")
    return read_picture(picture), read_picture(depth)[..., 0] * np.float32(10 / 255)


def _is_quantised(room: Path) -> bool:
    return room.name.endswith("_out")


def _has_8_bits(path: Path) -> bool:
    """Whether a PNG's header says 8 bits of grey: a decoder asked for colour hides 16 bits."""
    with open(path, "rb") as file:
        return file.read(26)[24:] == b"\x08\x00"


NYU_ROOMS = Format("NYU Depth V2 (rooms of rgb_N.jpg with sync_depth_N.png)", _marks, _find)
