"""Metrics of an engine on labelled pictures, beside those of its float32 reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.backends.opening import open_onnxruntime
from tosa_edge.class_model import ClassModel
from tosa_edge.depth_model import DepthModel
from tosa_edge.evaluation.classes import evaluate_classes
from tosa_edge.evaluation.depth_data import find_pairs, read_samples
from tosa_edge.evaluation.evaluate import evaluate
from tosa_edge.evaluation.labelled_pictures import open_labelled
from tosa_edge.graph import LoadedGraph
from tosa_edge.validate import checks
from tosa_edge.validate.checks import Check
from tosa_edge.validate.engine_under_test import EngineUnderTest

if TYPE_CHECKING:
    from tosa_edge.progress import OnStep


def score_on_labels(
    under_test: EngineUnderTest,
    reference: LoadedGraph,
    data: Path,
    on_step: OnStep,
    refused: list[str] | None = None,
) -> list[Check] | str:
    """Metrics of both on labelled pictures, and what the engine loses of delta1 or of top-1; or why not.

    Args:
        refused: told of frames that neither is scored on, because they cannot be read; None lets none be.
    """
    if reference.info.form == "reuse" or reference.info.batch > 1:
        what = "takes its patches from another graph" if reference.info.form == "reuse" else "takes a batch"
        return f"no metrics: {reference.label} {what}, and frames are scored one by one"
    if reference.info.classifies:
        return _classes(under_test, reference, data, on_step, refused)
    pairs, info = find_pairs(data), reference.info
    scores: list[dict[str, Any]] = []
    for turn, opened in enumerate((under_test.opened, open_onnxruntime(reference))):

        def step(index: int, turn: int = turn) -> None:
            on_step("evaluating", turn * len(pairs) + index + 1, 2 * len(pairs))

        with DepthModel(opened.backend, info, opened.label) as model:
            scores.append(evaluate(model, read_samples(pairs, refused), step))
    ours, theirs = scores
    return [
        *(checks.at_most(name, ours[name], None) for name in ("delta1", "absrel", "rmse")),
        *(checks.at_most(f"{name}_reference", theirs[name], None) for name in ("delta1", "absrel", "rmse")),
        checks.at_most("delta1_drop", round(theirs["delta1"] - ours["delta1"], 4), checks.MOST_LOST),
    ]


def _classes(
    under_test: EngineUnderTest,
    reference: LoadedGraph,
    data: Path,
    on_step: OnStep,
    refused: list[str] | None,
) -> list[Check]:
    scores: list[dict[str, Any]] = []
    labelled, info = open_labelled(data), reference.info
    for turn, opened in enumerate((under_test.opened, open_onnxruntime(reference))):

        def step(index: int, turn: int = turn) -> None:
            on_step("evaluating", turn * len(labelled) + index + 1, 2 * len(labelled))

        with ClassModel(opened.backend, info, opened.label) as model:
            samples = labelled.samples(info.labels, info.classes, refused=refused if not turn else [])
            scores.append(evaluate_classes(model, samples, step))
    ours, theirs = scores
    return [
        *(checks.at_most(name, ours[name], None) for name in ("top1", "top5")),
        *(checks.at_most(f"{name}_reference", theirs[name], None) for name in ("top1", "top5")),
        checks.at_most("top1_drop", round(theirs["top1"] - ours["top1"], 4), checks.MOST_LOST),
    ]
