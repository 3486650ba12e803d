"""How long the stages of a run take, in memory that does not grow with the run."""

from __future__ import annotations

import time
from array import array
from collections import defaultdict, deque
from collections.abc import Sequence
from random import Random

import numpy as np

_SAMPLE = 4096  # times kept of each stage: all of a short run, an even sample of a long one
_LATELY = 60


class Times:
    """Milliseconds by stage. Of a run of weeks a random sample is kept: p99 stays right, memory small."""

    def __init__(self) -> None:
        # No lists: numbers that live long, each somewhere else, would pin Python's memory all over the place.
        self._kept: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self._lately: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_LATELY))
        self._seen: dict[str, int] = defaultdict(int)
        self._random = Random(0)

    def add(self, stage: str, milliseconds: float) -> None:
        seen = self._seen[stage] = self._seen[stage] + 1
        self._lately[stage].append(milliseconds)
        kept = self._kept[stage]
        if len(kept) < _SAMPLE:
            kept.append(milliseconds)
        elif (place := self._random.randrange(seen)) < _SAMPLE:
            kept[place] = milliseconds

    @property
    def stages(self) -> list[str]:
        return list(self._kept)

    def percentiles(self, stage: str) -> dict[str, float]:
        return percentiles(self._kept.get(stage) or [0.0])

    def lately(self, stage: str) -> float:
        """The median of the last frames."""
        return float(np.median(self._lately.get(stage) or [0.0]))


class Rate:
    """Results a second, of late."""

    def __init__(self) -> None:
        self._moments: deque[float] = deque(maxlen=_LATELY)

    def tick(self) -> float:
        self._moments.append(time.monotonic())
        spent = self._moments[-1] - self._moments[0]
        return (len(self._moments) - 1) / spent if spent else 0.0


def percentiles(times: Sequence[float]) -> dict[str, float]:
    return {f"p{p}": round(float(np.percentile(times, p)), 3) for p in (50, 90, 99)}
