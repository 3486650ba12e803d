"""Real pictures to compare on: of the bundled clip, or of the user's own data. Never noise.

Selection depends on what is seen, and on noise every patch is as important as any other: an engine that is
wrong could look right there, and one that is right wrong.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tosa_edge.errors import TosaEdgeError
from tosa_edge.evaluation.depth_data import find_pairs
from tosa_edge.evaluation.labelled_pictures import open_labelled
from tosa_edge.find_model import ASSETS
from tosa_edge.pictures.fit import Fit, fit_for, middle_fit
from tosa_edge.pictures.reading import read_picture

if TYPE_CHECKING:
    from tosa_edge.graph_info import GraphInfo

CLIP = ASSETS / "clip.webm"
# Two of each of the clip's three rooms: every picture costs several runs of the model.
COUNT = 6
_FIT = "letterbox"  # as the runtime does it unless told otherwise


def validation_pictures(
    info: GraphInfo, data: Path | None = None, refused: list[str] | None = None
) -> np.ndarray:
    """uint8 [COUNT, H, W, 3] at the graph's size, evenly spread over the clip or over `data`.

    Args:
        refused: told of pictures that are left out because they cannot be read; None lets none be.
    """
    from tosa_edge.calibration.pictures import evenly_spaced

    size = (info.height, info.width)
    if data is None:
        return _of_clip(size, COUNT)
    if info.classifies:
        samples = open_labelled(data).samples(most=COUNT, refused=refused)
        there = [picture for _, picture, _ in samples]
    else:
        pairs = find_pairs(data)
        frames = [_read(pairs[i][0], refused) for i in evenly_spaced(len(pairs), COUNT)]
        there = [frame for frame in frames if frame is not None]
    if not there:
        raise TosaEdgeError(f"no picture in {data} can be read", "Copy or download them again.")
    return np.stack([_fit((f.shape[0], f.shape[1]), info).forward(f) for f in there])


def _fit(shape: tuple[int, int], info: GraphInfo) -> Fit:
    """As the runtime does it unless told otherwise."""
    size = (info.height, info.width)
    return middle_fit(shape, size, info.crop) if info.classifies else fit_for(shape, size, _FIT)


def _read(path: Path, refused: list[str] | None) -> np.ndarray | None:
    try:
        return read_picture(path)
    except TosaEdgeError as error:
        if refused is None:
            raise
        refused.append(error.what)
        return None


@lru_cache(maxsize=2)
def _of_clip(size: tuple[int, int], count: int) -> np.ndarray:
    """Kept for the next engine of this size: a video is decoded from its beginning."""
    from tosa_edge.calibration.pictures import read_pictures

    try:
        return read_pictures(CLIP, size, count, fit=_FIT)[0]
    except TosaEdgeError as error:
        raise TosaEdgeError(
            f"the bundled clip cannot be read: {error.what}", "Give pictures with depth instead: --data DIR."
        ) from error
