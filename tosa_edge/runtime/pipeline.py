"""Frames through a model into sinks: capture, inference and output each in a thread of its own.

    source --(blocks or drops)--> model, in the caller's thread --(blocks or drops)--> sinks

For files, a full queue blocks. For live sources a full queue drops the oldest frame, and a slow sink never
delays the model; dropped frames are counted.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread
from typing import Any, Protocol

import numpy as np

from tosa_edge.depth_model import Prediction
from tosa_edge.errors import TosaEdgeError
from tosa_edge.graph_info import GraphInfo
from tosa_edge.runtime.bounded_queue import BoundedQueue
from tosa_edge.runtime.panels import Painter
from tosa_edge.runtime.sinks import Result, Sink
from tosa_edge.runtime.sources import Frame, Source
from tosa_edge.runtime.summary import Rate, Summary, Times

_FILE_QUEUE_SIZE = 2  # frames of a file read ahead, and results of one that may wait for the sinks
_LIVE_QUEUE_SIZE = 8  # results of a live source that may wait for the sinks before the oldest is forgotten
_JOIN_TIMEOUT_S = 10.0

FrameQueue = BoundedQueue[tuple[int, Frame]]
ResultQueue = BoundedQueue[Result]


class Predictor(Protocol):
    """A model. Each stream of frames has a number, for models that remember.

    refreshed: the share of frames at which tokens were chosen.
    """

    info: GraphInfo
    label: str

    @property
    def refreshed(self) -> float: ...

    def predict_next(self, frame: np.ndarray, stream: int = 0) -> Prediction: ...

    def warm_up(self, frame: np.ndarray) -> None:
        """Runs once whatever its frames are going to run, and remembers nothing."""


def run(
    sources: Source | Sequence[Source],
    model: Predictor,
    sinks: Sequence[Sink],
    on_result: Callable[[Result, Summary], None] = lambda result, summary: None,
    stop: Event | None = None,
    on_lost: Callable[[Summary], None] = lambda summary: None,
) -> Summary:
    """Takes every frame of the sources to every sink; all sinks complete, or none leaves anything behind.

    It ends with the last source, or when `stop` is set: what was done until then is kept. Or with the first
    stage that fails: then all others are stopped, and its error is raised.

    Example:
        >>> from tosa_edge import CallbackSink, DepthModel, open_source, run_stream
        >>> run_stream(open_source(0), DepthModel.load(), [CallbackSink(lambda result: ...)]).frames
    """
    streams = list(sources) if isinstance(sources, Sequence) else [sources]
    live = any(source.live for source in streams)
    stop, summary = stop or Event(), Summary()
    frames: FrameQueue = BoundedQueue(1 if live else _FILE_QUEUE_SIZE, len(streams))
    # Room for each stream; the model ends it.
    results: ResultQueue = BoundedQueue(_LIVE_QUEUE_SIZE if live else _FILE_QUEUE_SIZE)

    def give_up(error: BaseException) -> None:
        results.close()
        frames.fail(error)

    stages = [
        StageThread("capture", partial(_capture, number, source, frames, summary.times), give_up)
        for number, source in enumerate(streams)
    ]
    output = StageThread("sink", partial(_output, results, sinks, summary.times), give_up)
    # `stop` may be set in a signal handler, which must do nothing else; this thread then closes the queue.
    stop_watcher = StageThread("stop", partial(_close_on_stop, stop, frames), give_up)
    try:
        summary.warm_up_ms = _warm_up(model)
        began = time.perf_counter()
        for stage in (*stages, output, stop_watcher):
            stage.start()
        for result in _infer(streams, model, frames, summary):
            if result is None:
                on_lost(summary)
            else:
                results.put(result, result.stream, block=not streams[result.stream].live)
                on_result(result, summary)
            if stop.is_set():
                break
        results.finish()
        output.finished()
        summary.seconds = time.perf_counter() - began
        summary.stopped, summary.unwritten = stop.is_set(), sum(results.dropped.values())
        for sink in sinks:
            sink.seal()
        for source in streams:
            summary.refused += source.refused
        summary.outputs = [path for path in [sink.commit() for sink in sinks] if path is not None]
    except BaseException:
        _shut_down((*stages, output, stop_watcher), streams, (frames, results), stop)
        for sink in reversed(sinks):  # the first made the folder, so it is the last to leave it
            sink.abort()
        raise
    _shut_down((*stages, output, stop_watcher), streams, (frames, results), stop)
    return summary


def _close_on_stop(stop: Event, frames: FrameQueue) -> None:
    stop.wait()
    frames.close()


def _capture(number: int, source: Source, frames: FrameQueue, times: Times) -> None:
    began = time.perf_counter()
    for frame in source:
        times.add("capture", 1000 * (time.perf_counter() - began))
        if not frames.put((number, frame), number, block=not source.live):
            return
        began = time.perf_counter()
    frames.finish()  # a source that failed has not finished: the consumer is to get its error


def _infer(streams: Sequence[Source], model: Predictor, frames: FrameQueue, summary: Summary):  # type: ignore[no-untyped-def]
    painters, rate = [Painter(model.info, source.still) for source in streams], Rate()
    for number, frame in frames:
        try:
            prediction = model.predict_next(frame.picture, number)
        except Exception as error:
            raise with_stage_name("inference", error) from error
        if not _has_depth(prediction.depth):
            summary.add_without_depth(frame.name)
            yield None
            continue
        age = 1000 * (time.monotonic() - frame.arrived)
        # The age of a file's frame only reflects how far ahead it was read, so it is not recorded.
        summary.add_prediction(prediction.times_ms, age if streams[number].live else None)
        summary.dropped = sum(frames.dropped.values())
        summary.reconnects = sum(source.reconnects for source in streams)
        counts = summary.dropped, summary.reconnects
        yield Result(frame, prediction, painters[number], age, rate.tick(), *counts, stream=number)


def _has_depth(depth: np.ndarray) -> bool:
    """True if any value is finite: single NaNs, such as sky, are allowed. Checks every 16th pixel first."""
    return bool(np.isfinite(depth[::16, ::16]).any() or np.isfinite(depth).any())


def _output(results: ResultQueue, sinks: Sequence[Sink], times: Times) -> None:
    for result in results:
        began = time.perf_counter()
        for sink in sinks:
            sink.write(result)
        times.add("sink", 1000 * (time.perf_counter() - began))


def _warm_up(model: Predictor) -> float:
    """The first run of a graph takes its memory; that is not the time of a frame."""
    began = time.perf_counter()
    model.warm_up(np.zeros((model.info.height, model.info.width, 3), np.uint8))
    return 1000 * (time.perf_counter() - began)


def _shut_down(
    stages: Sequence[StageThread], sources: Sequence[Source], queues: Sequence[BoundedQueue[Any]], stop: Event
) -> None:
    """Stops and joins all threads, for up to `_JOIN_TIMEOUT_S`; one stuck in a camera driver is left."""
    stop.set()
    for queue in queues:
        queue.close()
    for source in sources:
        source.close()
    deadline = time.monotonic() + _JOIN_TIMEOUT_S
    for stage in stages:
        if stage.ident is not None:
            stage.join(max(0.0, deadline - time.monotonic()))


class StageThread(Thread):
    """Runs `work`. On failure it calls `on_error` immediately, and `finished` raises the error again."""

    def __init__(
        self, name: str, work: Callable[[], None], on_error: Callable[[BaseException], None]
    ) -> None:
        super().__init__(name=f"tosa-edge {name}", daemon=True)
        self.stage = name
        self.error: BaseException | None = None
        self._work, self._on_error = work, on_error

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self.error = failure = with_stage_name(self.stage, error)
            self._on_error(failure)

    def finished(self) -> None:
        self.join()
        if self.error is not None:
            raise self.error


def with_stage_name(stage: str, error: BaseException) -> BaseException:
    """A TosaEdgeError as it is; any other exception wrapped with the name of its stage."""
    if isinstance(error, TosaEdgeError):
        return error
    named_error = RuntimeError(f"the {stage} stage failed: {type(error).__name__}: {error}")
    named_error.__cause__ = error
    return named_error


@contextmanager
def stopped_by_signals(stop: Event) -> Iterator[None]:
    """Inside, either signal sets `stop`. Only a main thread gets signals: others do nothing here."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    heard: list[int] = []  # a run may also have been stopped otherwise: that is no first signal

    def on_signal(number: int, _frame: object) -> None:
        heard.append(number)
        if len(heard) > 1:
            raise SystemExit(128 + number)
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
