"""Frames through a model into sinks, one after the other, with the time of every stage."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tosa_edge.depth_model import DepthModel
from tosa_edge.runtime.panels import Painter
from tosa_edge.runtime.sinks import Result, Sink
from tosa_edge.runtime.sources import Frame, Source

# What a frame waits for between its arrival and its depth.
LATENCY = ("prepare", "infer", "restore")


@dataclass
class Summary:
    """What a run was: `fps` counts all of it, also reading, drawing, writing; `latency_ms` only the depth."""

    frames: int = 0
    seconds: float = 0.0
    times_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    outputs: list[Path] = field(default_factory=list)

    @property
    def fps(self) -> float:
        return self.frames / self.seconds if self.seconds else 0.0

    @property
    def latency_ms(self) -> dict[str, float]:
        return percentiles(np.sum([self.times_ms[stage] for stage in LATENCY], axis=0))

    @property
    def stages_ms(self) -> dict[str, float]:
        """The median of each stage."""
        return {stage: round(float(np.median(times)), 3) for stage, times in self.times_ms.items()}

    def as_dict(self) -> dict[str, object]:
        return {
            "frames": self.frames,
            "fps": round(self.fps, 2),
            "latency_ms": self.latency_ms,
            "stages_ms": self.stages_ms,
            "outputs": [str(path) for path in self.outputs],
        }


def percentiles(times: np.ndarray) -> dict[str, float]:
    return {f"p{p}": round(float(np.percentile(times, p)), 3) for p in (50, 90, 99)}


def run(
    source: Source,
    model: DepthModel,
    sinks: Sequence[Sink],
    on_frame: Callable[[int], None] = lambda index: None,
) -> Summary:
    """Takes every frame of `source` to every sink; all sinks complete, or none leaves anything behind."""
    summary = Summary()
    painter = Painter(model.info)
    try:
        # The first run of a graph takes its memory; that is not the time of a frame.
        model.predict(np.zeros((model.info.height, model.info.width, 3), np.uint8))
        began = time.perf_counter()
        for frame, milliseconds in _timed(source):
            summary.times_ms["read"].append(milliseconds)
            prediction = model.predict(frame.picture)
            for stage, taken in prediction.times_ms.items():
                summary.times_ms[stage].append(taken)
            with _stage(summary, "paint"):
                panel = painter(frame, prediction)
            with _stage(summary, "write"):
                for sink in sinks:
                    sink.write(Result(frame, prediction, panel))
            summary.frames += 1
            on_frame(frame.index)
        summary.seconds = time.perf_counter() - began
        for sink in sinks:
            sink.seal()
        summary.outputs = [sink.commit() for sink in sinks]
    except BaseException:
        for sink in reversed(sinks):  # the first made the folder, so it is the last to leave it
            sink.abort()
        raise
    return summary


def _timed(source: Source) -> Iterator[tuple[Frame, float]]:
    began = time.perf_counter()
    for frame in source:
        yield frame, 1000 * (time.perf_counter() - began)
        began = time.perf_counter()


@contextmanager
def _stage(summary: Summary, name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    summary.times_ms[name].append(1000 * (time.perf_counter() - began))
