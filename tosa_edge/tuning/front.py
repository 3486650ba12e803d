"""Which candidates are worth having: no other is both faster and nearer to the dense model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """A candidate that was measured. `ratio`: how many times as fast as dense; the rest is of `Distance`."""

    name: str
    loss: float
    edges: float | None
    ratio: float
    p50_ms: float
    within: float | None = None


def front(points: Iterable[Point]) -> list[Point]:
    """Slowest first, each faster than all before it that lose less."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (-p.ratio, p.loss)):
        if not best or point.loss < best[-1].loss:
            best.append(point)
    return best[::-1]


def choose(
    points: Iterable[Point], *, target: float | None = None, budget: float | None = None
) -> Point | None:
    """The nearest to dense that is `target` times as fast; or the fastest that loses `budget` at most."""
    fit = [
        point
        for point in points
        if (target is None or point.ratio >= target) and (budget is None or point.loss <= budget)
    ]
    if target is None and budget is not None:
        return max(fit, key=lambda point: point.ratio, default=None)
    return min(fit, key=lambda point: point.loss, default=None)
