"""A model against ground truth, frame by frame, beside the baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from tosa_edge.depth_model import DepthModel
from tosa_edge.errors import TosaEdgeError
from tosa_edge.evaluation import metrics
from tosa_edge.evaluation.depth_data import Sample
from tosa_edge.pictures.fit import resample

MIN_READINGS = 100  # valid readings; fewer would fit any scale and shift


@dataclass(frozen=True)
class Scored:
    name: str
    group: str
    model: dict[str, float]
    baselines: dict[str, dict[str, float]]


def evaluate(
    model: DepthModel,
    samples: Iterable[Sample],
    on_frame: Callable[[int], None] = lambda index: None,
    refused: list[str] | None = None,
) -> dict[str, object]:
    """The means over all frames and over each group, as the verb prints them.

    Args:
        refused: told of frames that cannot be scored, and are left out; None lets none be.
    """
    scored = []
    for index, sample in enumerate(samples):
        try:
            scored.append(score(model(sample.picture), model.info.output, sample))
        except TosaEdgeError as error:
            if refused is None:
                raise
            refused.append(error.what)
        on_frame(index)
    if not scored:
        if refused:
            raise TosaEdgeError(f"no frame can be scored: {refused[0]}", "Copy or download them again.")
        raise TosaEdgeError(
            "there are no frames to evaluate", "Give a folder that holds some, or a larger --limit."
        )
    names = sorted({s.group for s in scored})
    return {
        **_means(scored),
        "groups": {name: _means([s for s in scored if s.group == name]) for name in names},
        "alignment": "none"
        if model.info.output == "metric_depth"
        else "scale and shift in inverse depth, per frame",
        "range_m": [metrics.MIN_EVAL_M, metrics.MAX_EVAL_M],
        "crop": [round(c, 4) for c in metrics.CROP],
    }


def score(predicted: np.ndarray, output: str, sample: Sample) -> Scored:
    """One frame: `predicted` is float32 [H, W] at the picture's size."""
    valid = metrics.valid_mask(sample.depth)
    if valid.sum() < MIN_READINGS:
        raise TosaEdgeError(
            f"the depth of {sample.name} has {int(valid.sum())} readings between "
            f"{metrics.MIN_EVAL_M} and {metrics.MAX_EVAL_M} m",
            "Check that it is in millimetres (16-bit PNG), or take the frame out.",
        )
    if not np.isfinite(predicted).any():
        raise TosaEdgeError(
            f"the model gave no finite depth for {sample.name}",
            "Look into it with tosa-edge validate.",
        )
    predicted = resample(predicted, (sample.depth.shape[0], sample.depth.shape[1]))
    judge = metrics.score_metric if output == "metric_depth" else metrics.score_relative
    return Scored(
        sample.name,
        sample.group,
        judge(predicted, sample.depth, valid),
        metrics.baselines(sample.depth, valid),
    )


def _means(scored: list[Scored]) -> dict[str, object]:
    return {
        **_rounded(metrics.mean([s.model for s in scored])),
        "n": len(scored),
        "baselines": {
            kind: _rounded(metrics.mean([s.baselines[kind] for s in scored])) for kind in ("constant", "ramp")
        },
    }


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in scores.items()}
