"""How far a candidate is from the dense model, on pictures without labels.

What the dense model says stands for the truth. What is lost against it is not accuracy, which only labels
can tell; but of ways that save the same, the nearer one is the better one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from tosa_edge.calibration.agreement import as_room, shared_probability
from tosa_edge.evaluation import metrics
from tosa_edge.evaluation.edges import near_edges
from tosa_edge.graph_info import LOGITS
from tosa_edge.nn.net import VisionNet, answer_at
from tosa_edge.tuning.candidates import Candidate

AT_ONCE = 4


@dataclass(frozen=True)
class Distance:
    """Means over pictures: the share of pixels that are off by more than a factor of 1.25, of all and of
    those near edges (None where there is no edge), and the relative difference of the depth. Of classes the
    share of probability that goes elsewhere, and the difference of logits. `within`: of other pictures of the
    same kind the loss is this near with a probability of 95 %; None of one picture."""

    loss: float
    edges: float | None
    absrel: float
    within: float | None


class DenseAnswers:
    """What the dense model says of pictures, uint8 [n, H, W, 3] at its own size."""

    def __init__(self, net: VisionNet, pictures: np.ndarray) -> None:
        self.net, self.pictures = net, pictures
        dense = Candidate("", (net.config.height, net.config.width), net.pattern)
        self.answers = list(self._predicted(dense))
        self.kind = net.config.output

    def distance(self, candidate: Candidate) -> Distance:
        pairs = zip(self._predicted(candidate), self.answers, strict=True)
        found = np.array([self._compared(one, dense) for one, dense in pairs])
        loss, edges, absrel = found.T
        with_edges = edges[~np.isnan(edges)]
        return Distance(
            float(loss.mean()),
            float(with_edges.mean()) if len(with_edges) else None,
            float(absrel.mean()),
            float(1.96 * loss.std(ddof=1) / len(loss) ** 0.5) if len(loss) > 1 else None,
        )

    def _compared(self, depth: np.ndarray, dense: np.ndarray) -> tuple[float, float, float]:
        if self.kind == LOGITS:
            share, error = shared_probability(depth, dense)
            return 1 - share, float("nan"), error
        if self.kind == "metric_depth":
            found, truth = (np.clip(x, metrics.MIN_EVAL_M, metrics.MAX_EVAL_M) for x in (depth, dense))
        else:
            found, truth = as_room(brought_to(dense, depth), like=dense), as_room(dense)
        scores = metrics.compare(found, truth)
        near = near_edges(truth, np.ones(truth.shape, bool))
        edges = metrics.compare(found[near], truth[near])["delta1"] if near.any() else float("nan")
        return 1 - scores["delta1"], 1 - edges, scores["absrel"]

    def _predicted(self, candidate: Candidate) -> Iterator[np.ndarray]:
        for begin in range(0, len(self.pictures), AT_ONCE):
            images = torch.from_numpy(self.pictures[begin : begin + AT_ONCE])
            with torch.inference_mode():
                depth = answer_at(self.net, images, candidate.size, candidate.pattern)
            yield from depth.float().numpy()


def brought_to(dense: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Relative depth by the scale and shift that bring it nearest to the dense model's."""
    x, y = depth.astype(np.float64), dense.astype(np.float64)
    centred = x - x.mean()
    scale = float((centred * (y - y.mean())).sum() / max((centred**2).sum(), np.finfo(np.float64).tiny))
    return scale * centred + y.mean()
