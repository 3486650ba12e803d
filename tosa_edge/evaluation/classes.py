"""A classifier against labels: how often the right class is the first, or among the first five."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tosa_edge.class_model import ClassModel
from tosa_edge.errors import TosaEdgeError


def evaluate_classes(
    model: ClassModel,
    samples: Iterable[tuple[str, np.ndarray, int]],
    on_picture: Callable[[int], None] = lambda index: None,
) -> dict[str, Any]:
    """`samples` are name, picture uint8 [H, W, 3] and the number of its class among the model's."""
    right: list[tuple[int, bool, bool]] = []
    seconds, waiting = 0.0, []
    for index, (_, picture, label) in enumerate(samples):
        waiting.append((picture, label))
        if len(waiting) == model.info.batch:
            seconds += _judged(model, waiting, right)
            waiting = []
        on_picture(index)
    if waiting:
        seconds += _judged(model, waiting, right)
    if not right:
        raise TosaEdgeError("there are no pictures to evaluate", "Give a folder that holds some.")
    labels, first, five = (np.array(column) for column in zip(*right, strict=True))
    each = [float(first[labels == label].mean()) for label in np.unique(labels)]
    return {
        "top1": round(float(first.mean()), 4),
        "top5": round(float(five.mean()), 4),
        "mean_of_classes": round(float(np.mean(each)), 4),
        "n": len(right),
        "classes": len(each),
        "pictures_per_s": round(len(right) / seconds, 1) if seconds else None,
    }


def _judged(
    model: ClassModel, some: list[tuple[np.ndarray, int]], right: list[tuple[int, bool, bool]]
) -> float:
    """Adds what came of these; the seconds that fitting and the model took."""
    began = time.perf_counter()
    logits = model([picture for picture, _ in some])
    seconds = time.perf_counter() - began
    if not np.isfinite(logits).all():
        raise TosaEdgeError(
            f"{model.label} gave a score that is no number", "Look into it with tosa-edge validate."
        )
    for scores, (_, label) in zip(logits, some, strict=True):
        # Equal scores stand before each other: whoever says the same of all classes is never right.
        before = int((scores > scores[label]).sum()) + int((scores == scores[label]).sum() - 1)
        right.append((label, before == 0, before < 5))
    return seconds
