"""Times variants against each other fairly.

A laptop slows down as it warms, and other programs come and go. So the variants take turns, each round begins
with another one, and a ratio is taken within each round before the median is taken over the rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tosa_edge.errors import TosaEdgeError


@dataclass(frozen=True)
class Variant:
    name: str
    run: Callable[[], object]


def interleave(
    variants: Sequence[Variant],
    rounds: int,
    warmup: int = 3,
    clock: Callable[[], float] = time.perf_counter,
    on_round: Callable[[int], None] = lambda index: None,
) -> np.ndarray:
    """Milliseconds, float64 [rounds, variants]."""
    if rounds < 1:
        raise TosaEdgeError(
            f"{rounds} rounds measure nothing", "Give --rounds 1 or more; 30 or more for a ratio."
        )
    for _ in range(warmup):
        for variant in variants:
            variant.run()
    times = np.zeros((rounds, len(variants)))
    for r in range(rounds):
        for turn in range(len(variants)):
            v = (r + turn) % len(variants)
            began = clock()
            variants[v].run()
            times[r, v] = 1000 * (clock() - began)
        on_round(r)
    return times


def rows(names: Sequence[str], times: np.ndarray) -> list[dict[str, object]]:
    """One row for each variant; `ratio` is how many times as fast as the first it is."""
    ratios = times[:, :1] / times
    return [
        {
            "name": name,
            "p50_ms": _percentile(times[:, v], 50),
            "p10_ms": _percentile(times[:, v], 10),
            "p90_ms": _percentile(times[:, v], 90),
            "ratio": _percentile(ratios[:, v], 50),
            "ratio_p10": _percentile(ratios[:, v], 10),
            "ratio_p90": _percentile(ratios[:, v], 90),
        }
        for v, name in enumerate(names)
    ]


def _percentile(values: np.ndarray, percent: int) -> float:
    return round(float(np.percentile(values, percent)), 4)
