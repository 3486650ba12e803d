"""Threads that overlap: what is dropped is counted, who fails stops all, a stop keeps what was done."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass, field
from threading import Event

import numpy as np
import pytest

from tests import media, tiny
from tosa_edge import DepthModel
from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime import pipeline
from tosa_edge.runtime.pipeline import stopped_by_signals
from tosa_edge.runtime.sinks import opencv_writer
from tosa_edge.runtime.sinks.callback import CallbackSink
from tosa_edge.runtime.sinks.contact_sheet import ContactSheetSink
from tosa_edge.runtime.sinks.video import VideoSink
from tosa_edge.runtime.sinks.wrappers import NewestOnly, OfStream
from tosa_edge.runtime.sources import Frame, Source
from tosa_edge.runtime.sources.iterable import IterableSource
from tosa_edge.runtime.sources.pattern import PatternSource
from tosa_edge.runtime.sources.video import VideoSource


@pytest.fixture
def model(tmp_path) -> DepthModel:
    return DepthModel.load(str(tiny.save(tmp_path / "m.onnx", tiny.selective_info())), threads=1)


@dataclass
class Slow:
    """A model that takes its time, as `infer` of a GPU would: the interpreter is free meanwhile."""

    inner: DepthModel
    gate: Event = field(default_factory=Event)
    takes: float = 0.0
    refreshed: float = 1.0

    def __post_init__(self) -> None:
        self.info, self.label = self.inner.info, "slow"

    def predict_next(self, frame, stream=0):
        time.sleep(self.takes)
        return self.inner.predict(frame)

    def warm_up(self, frame):
        self.inner.warm_up(frame)


def pictures(count, height=48, width=64):
    return [np.full((height, width, 3), i % 256, np.uint8) for i in range(count)]


def threads_of_ours():
    return [t.name for t in threading.enumerate() if t.name.startswith("tosa-edge")]


def test_a_file_reaches_every_sink_in_order_however_slow_they_are(model):
    seen: list[int] = []

    def take(result):
        time.sleep(0.002)
        seen.append(result.frame.index)

    summary = pipeline.run(IterableSource(pictures(60)), model, [CallbackSink(take)])
    assert seen == list(range(60))
    assert (summary.frames, summary.dropped, summary.unwritten) == (60, 0, 0)
    assert not threads_of_ours()


def test_of_a_live_source_the_newest_is_taken_and_the_others_are_counted(model):
    seen: list[int] = []
    summary = pipeline.run(
        PatternSource("test://64x48?fps=200&frames=80"),
        Slow(model, takes=0.03),
        [CallbackSink(lambda result: seen.append(result.frame.index))],
    )
    assert seen == sorted(set(seen))
    assert seen[-1] == 79
    assert len(seen) == summary.frames < 80
    assert summary.frames + summary.dropped == 80
    assert summary.as_dict()["stages"]["age"]["p50"] >= 30


def test_a_sink_slower_than_a_camera_holds_nothing_up(model):
    gate, seen = Event(), []

    def take(result):
        gate.wait(20)
        seen.append(result.frame.index)

    def done(result, summary):
        if summary.frames == 40:
            gate.set()

    source = PatternSource("test://64x48?fps=400&frames=400")
    summary = pipeline.run(source, model, [CallbackSink(take)], done)
    assert summary.frames > 40
    assert summary.unwritten > 0
    assert summary.frames == len(seen) + summary.unwritten


def test_a_viewer_that_hangs_holds_nothing_up_either(model):
    gate = Event()
    seen: list[int] = []
    sinks = [
        CallbackSink(lambda r: seen.append(r.frame.index)),
        NewestOnly(CallbackSink(lambda r: gate.wait(20))),
    ]
    summary = pipeline.run(
        IterableSource(pictures(50)), model, sinks, lambda r, s: s.frames == 50 and gate.set()
    )
    assert summary.frames == len(seen) == 50


class _Broken(Source):
    fps, label = 30.0, "broken"

    def __init__(self, error):
        self.error = error

    def __iter__(self):
        yield from IterableSource(pictures(3))
        raise self.error

    def close(self):
        pass


@dataclass
class _Kept:
    """A sink that remembers how it ended."""

    fails_at: int | None = None
    ended: list[str] = field(default_factory=list)

    def write(self, result):
        if result.frame.index == self.fails_at:
            raise RuntimeError("no more paper")

    def seal(self):
        self.ended.append("sealed")

    def commit(self):
        self.ended.append("committed")

    def abort(self):
        self.ended.append("aborted")


def test_a_dead_stage_stops_all_and_says_which_it_was(model):
    for source, sink, stage in (
        (_Broken(ValueError("lens cap")), _Kept(), "the capture stage failed: ValueError: lens cap"),
        (
            PatternSource("test://64x48"),
            _Kept(fails_at=5),
            "the sink stage failed: RuntimeError: no more paper",
        ),
    ):
        with pytest.raises(RuntimeError, match=stage):
            pipeline.run(source, model, [sink])
        assert sink.ended == ["aborted"]
        assert not threads_of_ours()
    with pytest.raises(TosaEdgeError, match="cut short"):
        pipeline.run(_Broken(TosaEdgeError("cut short", "copy it again")), model, [])


def test_a_model_that_fails_stops_the_other_stages(model):
    class Failing(Slow):
        def predict_next(self, frame, stream=0):
            raise TosaEdgeError("the engine is gone", "plug it in")

    sink = _Kept()
    with pytest.raises(TosaEdgeError, match="engine is gone"):
        pipeline.run(PatternSource("test://64x48"), Failing(model), [sink])
    assert sink.ended == ["aborted"]
    assert not threads_of_ours()


def test_told_to_stop_it_keeps_what_was_done(model):
    stop, sink = Event(), _Kept()
    summary = pipeline.run(
        PatternSource("test://64x48?fps=100"), model, [sink], lambda r, s: s.frames == 5 and stop.set(), stop
    )
    assert summary.stopped
    assert 5 <= summary.frames <= 8
    assert sink.ended == ["sealed", "committed"]


def test_a_silent_camera_can_be_stopped_too(model):
    """It blocks in a driver; nothing but `close` would wake it, and stopping does not wait for a frame."""

    class Silent(_Broken):
        live = True

        def __iter__(self):
            self.closed = Event()
            self.closed.wait(20)
            return iter(())

        def close(self):
            self.closed.set()

    stop = Event()
    threading.Timer(0.2, stop.set).start()
    summary = pipeline.run(Silent(None), model, [_Kept()], stop=stop)
    assert summary.frames == 0
    assert not threads_of_ours()


def test_several_sources_share_a_model_and_each_has_its_own_sinks(model):
    seen: dict[int, list[int]] = {0: [], 1: []}
    sources = [IterableSource(pictures(20)), IterableSource(pictures(30, 32, 48))]
    sinks = [OfStream(n, CallbackSink(lambda r, n=n: seen[n].append(r.frame.index))) for n in seen]
    summary = pipeline.run(sources, model, sinks)
    assert summary.frames == 50
    assert seen == {0: list(range(20)), 1: list(range(30))}


def test_frames_of_another_size_in_the_middle_are_just_frames(model):
    mixed = pictures(3) + pictures(3, 100, 40) + pictures(3)
    shapes = []
    pipeline.run(
        IterableSource(mixed), model, [CallbackSink(lambda r: shapes.append(r.prediction.depth.shape))]
    )
    assert shapes == [p.shape[:2] for p in mixed]


def test_a_recording_of_a_camera_plays_at_the_worlds_own_speed(tmp_path, model):
    """Ten frames over three seconds at thirty frames a second, then a gap of an hour, which is cut to one."""
    moments = [*np.arange(10) * 0.3, 3600.0]
    frames = [Frame(i, t, np.full((48, 64, 3), 20 * i, np.uint8), str(i)) for i, t in enumerate(moments)]
    sink = VideoSink(tmp_path / "v.avi", 30, paced=True)
    pipeline.run(IterableSource(frames), model, [sink])
    shown = [int(frame.picture[30:60, :60].mean()) for frame in VideoSource(str(tmp_path / "v.avi"))]
    assert 82 <= len(shown) - 30 <= 84
    for index, moment in enumerate(moments[:10]):
        assert abs(shown[round(moment * 30)] - 20 * index) < 6


def test_a_video_is_not_closed_under_the_thread_that_reads_it(tmp_path, model):
    """It stops in the middle of the file, while the capture thread decodes: that used to end the process."""
    clip = media.write_video(tmp_path / "v.webm", frames=120, height=240, width=320)
    for _ in range(5):
        stop = Event()
        source = VideoSource(str(clip))
        summary = pipeline.run(source, model, [], lambda r, s, stop=stop: s.frames == 10 and stop.set(), stop)
        assert summary.frames == 10


def test_a_model_that_raises_says_that_it_was_inference(model):
    class Failing(Slow):
        def predict_next(self, frame, stream=0):
            raise ValueError("out of memory")

    with pytest.raises(RuntimeError, match="the inference stage failed: ValueError: out of memory"):
        pipeline.run(IterableSource(pictures(3)), Failing(model), [])


def test_files_lose_nothing_beside_a_camera(model):
    seen: dict[int, int] = {0: 0, 1: 0}

    def take(result):
        time.sleep(0.005)
        seen[result.stream] += 1

    camera = PatternSource("test://64x48?fps=400&frames=200")
    pipeline.run([IterableSource(pictures(60)), camera], model, [CallbackSink(take)])
    assert seen[0] == 60


def test_a_source_without_frames_leaves_no_empty_files(tmp_path, model, recorder):
    sinks = [VideoSink(tmp_path / "o/v.webm", 30), ContactSheetSink(tmp_path / "o/s.png")]
    summary = pipeline.run(IterableSource([]), model, sinks)
    assert summary.outputs == []
    assert not list((tmp_path / "o").iterdir())


def test_the_end_of_a_long_video_is_checked_and_not_all_of_it(tmp_path, model, monkeypatch, recorder):
    monkeypatch.setattr(opencv_writer, "_DECODE_ALL", 20)
    monkeypatch.setattr(opencv_writer, "_DECODE_LAST", 10)
    for suffix in (".webm", ".mkv", ".mp4", ".avi"):
        path = tmp_path / f"v{suffix}"
        pipeline.run(IterableSource(pictures(60)), model, [VideoSink(path, 30)])
        assert opencv_writer.count_frames(path) == 60
    whole = (tmp_path / "v.webm").read_bytes()
    (tmp_path / "cut.webm").write_bytes(whole[: len(whole) // 2])
    assert opencv_writer.readable_frames(tmp_path / "cut.webm", 60) < 60


def test_a_second_signal_does_not_wait_and_a_first_is_never_taken_for_one():
    stop = Event()
    with stopped_by_signals(stop):
        stop.set()  # as by --frames, or the window's q
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(SystemExit) as ended:
            signal.raise_signal(signal.SIGINT)
    assert ended.value.code == 130
