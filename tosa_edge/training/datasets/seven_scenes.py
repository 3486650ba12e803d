"""7-Scenes: `seq-01/frame-000000.color.png` with `frame-000000.depth.png`, uint16 millimetres.

65535 is no reading, and so is 0. Its makers did not register the depth to the picture: edges are a few
pixels off.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from tosa_edge.training.datasets.frame import Format, FoundFrames, Labelled, folders, gather, read_pair

_PICTURE = re.compile(r"(frame-\d+)\.color\.png")
_FARTHEST = 65.5  # metres; only the mark for no reading lies beyond


def _marks(folder: Path, names: list[str]) -> bool:
    return any(_PICTURE.fullmatch(name) for name in names)


def _find(root: Path) -> FoundFrames:
    return gather(
        root,
        (
            (folder / name, folder / f"{match[1]}.depth.png")
            for folder, names in folders(root)
            for name in names
            if (match := _PICTURE.fullmatch(name))
        ),
        _read,
    )


def _read(picture: Path, depth: Path) -> Labelled:
    colours, metres = read_pair(picture, depth)
    return colours, np.where(metres < _FARTHEST, metres, 0)


SEVEN_SCENES = Format("7-Scenes (seq-N/frame-N.color.png with frame-N.depth.png)", _marks, _find)
