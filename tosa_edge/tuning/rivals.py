"""Ways to save tokens side by side on one encoder: the paper's, ours, those of others, and no way at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.net import VisionNet, answer_at
from tosa_edge.nn.stack import LOT
from tosa_edge.nn.tosa import Pattern
from tosa_edge.row_sharing import parse_ways
from tosa_edge.tuning.candidates import DENSE, Candidate, sizes
from tosa_edge.tuning.distance import AT_ONCE, DenseAnswers, Distance
from tosa_edge.tuning.front import Point
from tosa_edge.tuning.timing import point_of, timed

_KEEPS = (0.7, 0.5)  # of the paper, and of EViT
_MERGED = (0.04, 0.066, 0.082)  # ToMe's r = 8, 13 and 16 of 196 patches, in every layer
_WINDOWS = ((0.6, 0.3), (0.4, 0.4), (0.2, 0.4), (0.05, 0.35))


def rivals(config: ModelConfig) -> list[Candidate]:
    """Dense first; every way at the settings that it was published with, and beyond."""
    layers, own = config.layers, (config.height, config.width)
    selector = "learned" if config.selectors else "previous"
    last, early = layers - 1, max(1, layers // 6)
    found = [Candidate(DENSE, own, Pattern())]

    def add(name: str, pattern: Pattern, size: tuple[int, int] = own) -> None:
        found.append(Candidate(name, size, pattern))

    for keep in _KEEPS:
        for group in (1, 3):
            if chosen := config.selective_layers(group):
                add(f"ToSA g{group} keep {keep:g}", Pattern(chosen, keep, 1, selector))
                add(f"lot g{group} keep {keep:g}", Pattern(chosen, keep, 1, LOT))
    for whole, pairs in _WINDOWS:
        spec = f"windows={whole:g},{pairs:g}:{early}-{last}"
        add(spec, Pattern(ways=parse_ways(spec, layers)))
    for merged in _MERGED:
        add(f"ToMe {merged:.1%}", Pattern(ways=parse_ways(f"groups={merged:g}:1-{last}/1", layers)))
    first, every = max(1, layers // 3), max(1, layers // 4)
    for keep in _KEEPS:
        spec = f"fused={1 - keep:g}:{first}-{last}/{every}"
        add(f"EViT keep {keep:g}", Pattern(ways=parse_ways(spec, layers)))
    for size in sizes(config)[1:]:
        add(f"{size[0]}x{size[1]}", Pattern(), size)
    return found


def side_by_side(
    checkpoint: Path,
    net: VisionNet,
    pictures: np.ndarray,
    labels: np.ndarray | None,
    *,
    rounds: int,
    threads: int = 0,
    on_step: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> tuple[list[Point], float | None]:
    """On pictures uint8 [n, H, W, 3]: against their labels [n] where there are any, and dense's top-1; else
    against what dense says."""
    every = rivals(net.config)
    judge = DenseAnswers(net, pictures) if labels is None else DenseClasses(net, pictures, labels)
    judged = []
    for number, candidate in enumerate(every, 1):
        judged.append(judge.distance(candidate))
        on_step("comparing with dense", number, len(every))
    rows = timed(
        checkpoint,
        every,
        rounds,
        threads,
        lambda index: on_step("tracing", index + 1, len(every)),
        lambda index: on_step("timing", index + 1, rounds),
    )
    points = [point_of(c.name, one, row) for c, row, one in zip(every, rows, judged, strict=True)]
    return points, judge.top1 if isinstance(judge, DenseClasses) else None


class DenseClasses:
    """Of which pictures the dense model is right, uint8 [n, H, W, 3] at its own size with labels [n]."""

    def __init__(self, net: VisionNet, pictures: np.ndarray, labels: np.ndarray) -> None:
        self.net, self.pictures, self.labels = net, pictures, labels
        self.dense = Candidate(DENSE, (net.config.height, net.config.width), Pattern())
        self.right = first_classes(net, self.dense, pictures) == labels
        self.top1 = float(self.right.mean())

    def distance(self, candidate: Candidate) -> Distance:
        """What is lost of dense's top-1, as a share of it; the interval is of the paired difference."""
        right = self.right
        if candidate != self.dense:
            right = first_classes(self.net, candidate, self.pictures) == self.labels
        lost = self.right.astype(np.float64) - right
        best = max(self.top1, 1 / len(lost))
        within = 1.96 * float(lost.std(ddof=1)) / len(lost) ** 0.5 / best if len(lost) > 1 else None
        return Distance(float(lost.mean()) / best, None, float((lost != 0).mean()), within)


def first_classes(net: VisionNet, candidate: Candidate, pictures: np.ndarray) -> np.ndarray:
    """The likeliest class of each picture."""
    found: list[np.ndarray] = []
    for begin in range(0, len(pictures), 4 * AT_ONCE):
        images = torch.from_numpy(pictures[begin : begin + 4 * AT_ONCE])
        with torch.inference_mode():
            found.append(answer_at(net, images, candidate.size, candidate.pattern).argmax(1).numpy())
    return np.concatenate(found)
