"""Reuse over time, measured: schedules of refreshing against each other on a clip, taking turns.

Every schedule sees every frame in order, ten of them in a turn, after a run that does not count: on a robot
what runs has run just before, while here a model that comes back after the others' turns takes half as long
again for its first frame. Whoever is first changes from turn to turn, so that a machine that slows down slows
all of them. A ratio is that of the times of the whole clip; its spread is that over turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from tosa_edge import machine
from tosa_edge.backends.opening import open_onnxruntime, resolve_provider
from tosa_edge.bench.variant_graph import graph_of
from tosa_edge.depth_model import DepthModel
from tosa_edge.engine import ONNXRUNTIME, providers
from tosa_edge.evaluation.depth_data import Sample
from tosa_edge.evaluation.evaluate import score
from tosa_edge.runtime.pipeline import Predictor
from tosa_edge.runtime.refresh import AUTO, EveryNFrames, RefreshRule
from tosa_edge.runtime.streaming import StreamingModel

_BLOCK = 10  # frames: a multiple of what the shorter schedules repeat after


@dataclass(frozen=True)
class Schedule:
    """What runs at a refresh, and what in between; without a refresh rule every frame is one."""

    full: str
    reuse: str | None = None
    refresh: RefreshRule | None = None

    @property
    def name(self) -> str:
        if self.reuse is None:
            return f"{self.full} always"
        rule = f"every {self.refresh.frame_count}" if isinstance(self.refresh, EveryNFrames) else "auto"
        return f"{self.full} {rule}, {self.reuse} between"


def usual(model: str) -> list[Schedule]:
    """The schedules worth knowing of a model with both groups; others are compared with the first."""
    g1, again, g3 = f"{model}:g1", f"{model}:g1.reuse", f"{model}:g3.reuse"
    mixed = [Schedule(g1, g3, EveryNFrames(n)) for n in (2, 5, 10, 30)]
    plain = [Schedule(g1, again, EveryNFrames(n)) for n in (2, 5, 30)]
    return [
        Schedule(g1),
        Schedule(f"{g1}@1"),
        Schedule(f"{model}:g3"),
        *plain,
        *mixed,
        Schedule(g1, g3, AUTO),
    ]


@dataclass
class _Turns:
    model: Predictor
    times_ms: list[float] = field(default_factory=list)
    delta1: list[float] = field(default_factory=list)

    def take(self, block: Sequence[Sample]) -> list[np.ndarray]:
        """Runs a block of frames, and keeps the time of each."""
        self.model.warm_up(block[0].picture)
        depths = []
        for frame in block:
            began = time.perf_counter()
            depths.append(self.model.predict_next(frame.picture).depth)
            self.times_ms.append(1000 * (time.perf_counter() - began))
        return depths


def stream(
    schedules: Sequence[Schedule],
    frames: Iterable[Sample],
    threads: int = 0,
    on_frame: Callable[[int], None] = lambda index: None,
    provider: str = providers.AUTO,
) -> dict[str, object]:
    """A row for each schedule: times, ratio to the first, accuracy, and how often it refreshed."""
    used = resolve_provider(provider, graph_of(schedules[0].full))
    with ExitStack() as stack:
        loaded: dict[str, DepthModel] = {}
        turns = [_Turns(_model(schedule, loaded, stack, threads, used)) for schedule in schedules]
        for number, block in enumerate(_blocks(frames)):
            for place in range(len(turns)):
                turn = turns[(number + place) % len(turns)]
                for frame, depth in zip(block, turn.take(block), strict=True):
                    scored = score(depth, turn.model.info.output, frame)
                    turn.delta1.append(scored.model["delta1"])
            on_frame(len(turns[0].times_ms) - 1)
    return {
        "rows": [_row(s, turn, turns[0], used) for s, turn in zip(schedules, turns, strict=True)],
        "frames": len(turns[0].times_ms),
        "baseline": schedules[0].name,
        "threads": threads or machine.cores(),
        "machine": machine.facts(),
    }


def _blocks(frames: Iterable[Sample]) -> Iterator[list[Sample]]:
    rest = iter(frames)
    while block := list(islice(rest, _BLOCK)):
        yield block


def _model(
    schedule: Schedule, loaded: dict[str, DepthModel], stack: ExitStack, threads: int, provider: str
) -> Predictor:
    for spec in (schedule.full, schedule.reuse):
        if spec is not None and spec not in loaded:
            opened = open_onnxruntime(graph_of(spec), threads, provider)
            loaded[spec] = stack.enter_context(DepthModel(opened.backend, opened.info, opened.label))
    if schedule.reuse is None or schedule.refresh is None:
        return loaded[schedule.full]
    return StreamingModel(loaded[schedule.full], loaded[schedule.reuse], schedule.refresh)


def _row(schedule: Schedule, turn: _Turns, first: _Turns, provider: str) -> dict[str, object]:
    blocks = max(1, len(turn.times_ms) // _BLOCK)
    theirs, ours = (
        np.array([part.sum() for part in np.array_split(np.array(t.times_ms), blocks)]) for t in (first, turn)
    )
    model = turn.model
    refreshed = model.refreshes if isinstance(model, StreamingModel) else len(turn.times_ms)
    return {
        "name": schedule.name,
        "backend": ONNXRUNTIME,
        "provider": provider,
        "mean_ms": round(float(np.mean(turn.times_ms)), 3),
        "p50_ms": round(float(np.median(turn.times_ms)), 3),
        "peak_mb": None,  # of two sessions at once: not measured
        "ratio": round(float(theirs.sum() / ours.sum()), 4),
        "ratio_p10": round(float(np.percentile(theirs / ours, 10)), 4),
        "ratio_p90": round(float(np.percentile(theirs / ours, 90)), 4),
        "delta1": round(float(np.mean(turn.delta1)), 4),
        "loss": round(float(1 - np.mean(turn.delta1) / np.mean(first.delta1)), 4),
        "refreshed": round(refreshed / len(turn.times_ms), 4),
    }
