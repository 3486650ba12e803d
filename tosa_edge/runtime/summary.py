"""What a run was, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tosa_edge.runtime.times import Times


@dataclass
class Summary:
    """`fps` counts all of the run; `latency_ms` is what the model took for a frame; `age`, of live sources,
    is a stage of its own.

    dropped: frames of a live source for which there was no time. unwritten: results that came faster than
    the sinks could take them.
    """

    frames: int = 0
    seconds: float = 0.0
    dropped: int = 0
    unwritten: int = 0
    reconnects: int = 0
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
            "stopped": self.stopped,
            "outputs": [str(path) for path in self.outputs],
        }
