"""How far a model agrees with its float32 self, on pictures that have no labels.

The share here is not accuracy: of depth it is the share of pixels at which the two are within a factor of
1.25, of classes the share of probability that both give to the same ones. A model that agrees everywhere is
as accurate as the float32 one; where it does not agree it may be worse or, by chance, better. What it loses
of its real accuracy only `tosa-edge evaluate` on labelled pictures can say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.calibration.ranges import feeds_of
from tosa_edge.class_model import probabilities
from tosa_edge.evaluation import metrics
from tosa_edge.graph import LoadedGraph
from tosa_edge.graph_info import LOGITS, answer_of

# A relative model states no metres, and a ratio needs them: its float32 depth is laid out as a room's.
NEAR, FAR = 1.0, 5.0

OutputList = list[dict[str, np.ndarray]]


@dataclass(frozen=True)
class Agreement:
    """Means over pictures.

    Args:
        share: of pixels within a factor of 1.25 of float32's depth, or of probability given alike.
        error: mean relative difference from float32's depth, or logits.
        kept: share of float32's kept patches that were kept too; 1 where nothing is selected.
    """

    share: float
    error: float
    kept: float

    @property
    def drop(self) -> float:
        return 1 - self.share


def outputs_of(
    graph: LoadedGraph,
    pictures: np.ndarray,
    threads: int = 0,
    on_batch: Callable[[], None] = lambda: None,
) -> OutputList:
    """What a graph makes of uint8 pictures [n, H, W, 3], a batch at a time."""
    found = []
    with OnnxRuntimeBackend(graph, threads) as backend:
        for feeds in feeds_of(graph.info, pictures):
            found.append(backend.infer(feeds))
            on_batch()
    return found


def compare(some: OutputList, exact: OutputList, kind: str) -> Agreement:
    """`kind` is what the graph gives, as its description has it."""
    answer = answer_of(kind)
    pairs = [
        pair
        for one, other in zip(some, exact, strict=True)
        for pair in zip(one[answer], other[answer], strict=True)
    ]
    if kind == LOGITS:
        found = np.array([shared_probability(ours, exact) for ours, exact in pairs])
        share, error = found.mean(0)
    else:
        scores = metrics.mean([_score(depth, reference, kind) for depth, reference in pairs])
        share, error = scores["delta1"], scores["absrel"]
    shares = [
        _overlap(one["kept"], other["kept"]) for one, other in zip(some, exact, strict=True) if "kept" in one
    ]
    return Agreement(float(share), float(error), float(np.mean(shares)) if shares else 1.0)


def shared_probability(logits: np.ndarray, exact: np.ndarray) -> tuple[float, float]:
    """Of two answers [C]: what they give to the same classes, 1 where they are alike; and how far the logits
    are off, as a share of how far the exact ones are from their mean."""
    ours, theirs = probabilities(logits), probabilities(exact)
    spread = float(np.abs(exact - exact.mean()).mean()) or 1.0
    off = (logits - logits.mean()) - (exact - exact.mean())
    return float(np.minimum(ours, theirs).sum()), float(np.abs(off).mean()) / spread


def as_room(relative: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
    """Relative inverse depth [H, W] to metres, nearly all of it (or of `like`) between NEAR and FAR."""
    low, high = np.percentile(relative if like is None else like, (2, 98))
    share = (relative.astype(np.float64) - low) / max(high - low, 1e-12)
    inverse = 1 / FAR + share * (1 / NEAR - 1 / FAR)
    return 1 / np.clip(inverse, 1 / metrics.MAX_EVAL_M, 1 / metrics.MIN_EVAL_M)


def _score(depth: np.ndarray, reference: np.ndarray, kind: str) -> dict[str, float]:
    everywhere = np.ones(reference.shape, bool)
    if kind == "metric_depth":
        return metrics.score_metric(
            depth, np.clip(reference, metrics.MIN_EVAL_M, metrics.MAX_EVAL_M).astype(np.float64), everywhere
        )
    return metrics.score_relative(depth, as_room(reference), everywhere)


def _overlap(some: np.ndarray, exact: np.ndarray) -> float:
    """Kept patches [B, G, K] are sets: their order means nothing."""
    rows: Iterable[tuple[np.ndarray, np.ndarray]] = zip(
        some.reshape(-1, some.shape[-1]), exact.reshape(-1, exact.shape[-1]), strict=True
    )
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in rows]))
