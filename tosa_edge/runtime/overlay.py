"""What became of the patches, drawn over the picture: which were attended to, or which share a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tosa_edge.pictures.opencv import opencv

if TYPE_CHECKING:
    import numpy as np

    from tosa_edge.depth_model import Prediction
    from tosa_edge.graph_info import GraphInfo
    from tosa_edge.pictures.fit import Fit

# How much of a patch's light is left when no selection kept it.
DARKEST = 0.25
OUTLINE = (255, 210, 60)
_LINES = 400  # of an outline make the longer side of a picture


def drawn_tokens(picture: np.ndarray, prediction: Prediction, info: GraphInfo, fit: Fit) -> np.ndarray | None:
    """The picture with its patches as they were used; None for a dense graph. `fit` is the picture's."""
    if prediction.kept is not None:
        return overlay(picture, kept_share(prediction.kept, info.grid), fit)
    if prediction.represented_by is not None:
        return outlines(picture, prediction.represented_by[-1].reshape(info.grid), fit)
    return None


def tokens_label(info: GraphInfo) -> str:
    """In a word or two, for the head of that picture."""
    if info.ways:
        return "one row for each cell"
    return f"attended: {round(100 * info.kept / info.tokens)}% per selection"


def outlines(picture: np.ndarray, rows: np.ndarray, fit: Fit) -> np.ndarray:
    """Lines between patches that different rows stand for; rows int32 [rows, columns]."""
    import numpy as np

    down, across = fit.size[0] // rows.shape[0], fit.size[1] // rows.shape[1]
    field = rows.repeat(down, axis=0).repeat(across, axis=1).astype(np.float32)
    field = fit.backward(field, outside=-1.0, nearest=True)
    borders = np.zeros(field.shape, np.uint8)
    borders[1:] |= field[1:] != field[:-1]
    borders[:, 1:] |= field[:, 1:] != field[:, :-1]
    width = max(1, round(max(field.shape) / _LINES))  # to be seen when the picture is made smaller
    drawn = picture.copy()
    drawn[opencv().dilate(borders, np.ones((width, width), np.uint8)) > 0] = OUTLINE
    return drawn


def kept_share(kept: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """int32 [G, K] -> float32 [rows, columns]: the share of the G selections that kept each patch."""
    import numpy as np

    counts = np.bincount(kept.reshape(-1), minlength=grid[0] * grid[1])
    return (counts / len(kept)).astype(np.float32).reshape(grid)


def overlay(picture: np.ndarray, share: np.ndarray, fit: Fit) -> np.ndarray:
    """Greys and darkens what was bypassed.

    picture: RGB uint8 [H, W, 3] at the frame's size. share: float32 [rows, columns].
    A patch that every selection kept is as it was, one that none kept is dark grey, the others lie between.
    What the graph never saw (around a crop) counts as bypassed.
    """
    import numpy as np

    cv2 = opencv()
    rows, columns = fit.size[0] // share.shape[0], fit.size[1] // share.shape[1]
    field = share.repeat(rows, axis=0).repeat(columns, axis=1)
    weight = fit.backward(field, outside=0.0, nearest=True)
    # In bytes, within one level of the same in float, which takes a tenth of a small model's time.
    grey = cv2.transform(picture, np.full((3, 3), DARKEST / 3, np.float32))
    return cv2.blendLinear(picture, grey, weight, 1 - weight)
