"""What a run was, in numbers."""

from __future__ import annotations

import time
from array import array
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np

_NAMED = 100  # a stream may have millions

_SAMPLE = 4096  # times kept of each stage: all of a short run, an even sample of a long one
_LATELY = 60


class Times:
    """Milliseconds by stage. Of a run of weeks a random sample is kept: p99 stays right, memory small."""

    def __init__(self) -> None:
        # Arrays, not lists: long-lived float objects fragment the heap.
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


@dataclass
class Summary:
    """`fps` counts all of the run; `latency_ms` is what the model took for a frame; `age`, of live sources,
    is a stage of its own.

    dropped: frames of a live source for which there was no time. unwritten: results that came faster than
    the sinks could take them. without_depth: frames that the model gave not one finite depth for, which reach
    no sink. refused: what was left out, and why: damaged pictures of a folder, and the first of those frames.
    """

    frames: int = 0
    seconds: float = 0.0
    dropped: int = 0
    unwritten: int = 0
    reconnects: int = 0
    without_depth: int = 0
    refused: list[str] = field(default_factory=list)
    warm_up_ms: float = 0.0
    stopped: bool = False
    times: Times = field(default_factory=Times)
    outputs: list[Path] = field(default_factory=list)

    @property
    def fps(self) -> float:
        return self.frames / self.seconds if self.seconds else 0.0

    def add_prediction(self, times_ms: Mapping[str, float], age_ms: float | None) -> None:
        for stage, taken in times_ms.items():
            self.times.add(stage, taken)
        self.times.add("latency", sum(times_ms.values()))
        if age_ms is not None:
            self.times.add("age", age_ms)
        self.frames += 1

    def add_without_depth(self, frame: str) -> None:
        self.without_depth += 1
        if self.without_depth <= _NAMED:
            self.refused.append(f"frame {frame}: the model gave no finite depth")

    @property
    def stages(self) -> dict[str, dict[str, float]]:
        """Each stage's percentiles; the latency is no stage but the sum of some."""
        return {stage: self.times.percentiles(stage) for stage in self.times.stages if stage != "latency"}

    def as_dict(self) -> dict[str, object]:
        stages = self.stages
        return {
            "frames": self.frames,
            "fps": round(self.fps, 2),
            "latency_ms": self.times.percentiles("latency"),
            "stages_ms": {stage: shares["p50"] for stage, shares in stages.items()},
            "stages": stages,
            "warm_up_ms": round(self.warm_up_ms, 1),
            "dropped": self.dropped,
            "unwritten": self.unwritten,
            "reconnects": self.reconnects,
            "without_depth": self.without_depth,
            "refused": self.refused,
            "stopped": self.stopped,
            "outputs": [str(path) for path in self.outputs],
        }
