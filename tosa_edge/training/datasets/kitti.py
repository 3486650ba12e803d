"""KITTI's depth benchmark over its raw data: sparse laser depth for the left colour camera.

The two come as separate downloads. They are brought together by the drive's name, wherever below one folder
each was unpacked: `<drive>/proj_depth/groundtruth/image_02/N.png` has uint16 of 1/256 m (0 is no reading),
and `<date>/<drive>/image_02/data/N.png` (or `.jpg`) is its picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tosa_edge.training.datasets.frame import Format, FoundFrames, folders, gather, read_pair

_DEPTH = ("proj_depth", "groundtruth", "image_02")
_PICTURES = ("image_02", "data")


def _marks(folder: Path, names: list[str]) -> bool:
    return folder.parts[-3:] == _DEPTH


def _find(root: Path) -> FoundFrames:
    return gather(root, _pairs(root), partial(read_pair, per_metre=256))


def _pairs(root: Path) -> Iterator[tuple[Path, Path]]:
    """From the depth: each drive has ten pictures more, at its ends, where the laser sweeps are too few."""
    raw: dict[str, tuple[Path, set[str]]] = {}
    labelled = []
    for folder, names in folders(root):
        if folder.parts[-2:] == _PICTURES:
            raw[folder.parts[-3]] = folder, set(names)
        elif folder.parts[-3:] == _DEPTH:
            labelled.append((folder, names))
    for folder, names in labelled:
        drive = folder.parts[-4]
        # A drive's name begins with its date, 2011_09_26, which is the folder that its raw data comes in.
        nowhere: tuple[Path, set[str]] = (root / drive[:10] / drive / "image_02" / "data", set())
        pictures, there = raw.get(drive, nowhere)
        for name in (name for name in names if name.endswith(".png")):
            jpeg = name.removesuffix(".png") + ".jpg"
            yield pictures / (jpeg if jpeg in there else name), folder / name


KITTI = Format("KITTI (raw data, with DRIVE/proj_depth/groundtruth/image_02)", _marks, _find)
