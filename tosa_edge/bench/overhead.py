"""What the pipeline costs beside the model: `python -m tosa_edge.bench.overhead [--json]`.

A file at full speed, as a share of the rate of a bare loop over the same session that does nothing but infer
one prepared picture: without sinks, and with what a plain `tosa-edge run FILE` writes, the video by PyAV and
by OpenCV. All take turns, and the ratios are taken in each round; of processor time too, which is what counts
where the model keeps all cores busy, and which other work on the machine falsifies less than the rate.
And the age of a live result: a camera at 30 frames a second, before a model that takes a known time on its
accelerator.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tosa_edge import machine
from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.depth_model import DepthModel, Prediction
from tosa_edge.engine.load import load_graph
from tosa_edge.find_model import ASSETS, DEFAULT_MODEL
from tosa_edge.pictures.fit import fit_for
from tosa_edge.runtime import pipeline
from tosa_edge.runtime.sinks import Sink
from tosa_edge.runtime.sinks.contact_sheet import ContactSheetSink
from tosa_edge.runtime.sinks.opencv_writer import OpencvWriter
from tosa_edge.runtime.sinks.pyav_writer import PyavWriter
from tosa_edge.runtime.sinks.video import VideoSink, Writer
from tosa_edge.runtime.sources import Frame, open_source
from tosa_edge.runtime.sources.video import VideoSource

LEAST_SHARE, LEAST_RECORDING, MOST_AGE = 0.95, 0.85, 1.6
_FRAMES = 24


class _Start(VideoSource):
    """The first frames of a clip, decoded as any file is."""

    def __iter__(self) -> Iterator[Frame]:
        for frame in super().__iter__():
            if frame.index == _FRAMES:
                return
            yield frame


@dataclass
class _Accelerator:
    """A model that takes a known time, and no processor's."""

    model: DepthModel
    seconds: float
    refreshed: float = 1.0

    def __post_init__(self) -> None:
        self.info, self.label = self.model.info, "accelerator"
        self._answer = self.model.predict(np.zeros((480, 640, 3), np.uint8))

    def predict_next(self, frame: np.ndarray, stream: int = 0) -> Prediction:
        time.sleep(self.seconds)
        return self._answer

    def warm_up(self, frame: np.ndarray) -> None:
        """It has nothing to warm."""


def shares(spec: str, rounds: int) -> dict[str, np.ndarray]:
    """The pipeline's rate as a share of the bare loop's, and its frames for each second of processor time, by
    round [rounds, 2], for each way to run it."""
    graph = load_graph(spec)
    backend = OnnxRuntimeBackend(graph)
    with DepthModel(backend, graph.info, graph.label) as model:
        picture = next(iter(_Start(str(ASSETS / "clip.webm")))).picture
        fit = fit_for((picture.shape[0], picture.shape[1]), (graph.info.height, graph.info.width), model.fit)
        image = fit.forward(picture)[None]
        setups: dict[str, Callable[[], float]] = {
            "bare": lambda: _bare(backend, image),
            "no sinks": lambda: _run(model, []),
        }
        if PyavWriter.can_write(".webm"):
            setups["recording by PyAV"] = lambda: _record(model, PyavWriter)
        setups["recording by OpenCV"] = lambda: _record(model, OpencvWriter)
        names = list(setups)
        rates: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
        for number in range(rounds):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                began = time.process_time()
                rate = setups[name]()
                rates[name].append((rate, _FRAMES / (time.process_time() - began)))
    return {name: np.divide(rates[name], rates["bare"]) for name in names[1:]}


def _bare(backend: OnnxRuntimeBackend, image: np.ndarray) -> float:
    began = time.perf_counter()
    for _ in range(_FRAMES):
        backend.infer({"image": image})
    return _FRAMES / (time.perf_counter() - began)


def _run(model: DepthModel, sinks: list[Sink]) -> float:
    return pipeline.run(_Start(str(ASSETS / "clip.webm")), model, sinks).fps


def _record(model: DepthModel, writer: type[Writer]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        video = VideoSink(Path(folder) / "run.webm", 30, writer=writer)
        return _run(model, [video, ContactSheetSink(Path(folder) / "contact_sheet.png")])


def age_ratio(milliseconds: float, frames: int = 120) -> float:
    """Median age of a live result, in times of the model."""
    with DepthModel.load(DEFAULT_MODEL) as inner:
        model = _Accelerator(inner, milliseconds / 1000)
        summary = pipeline.run(open_source(f"test://640x480?fps=30&frames={frames}"), model, [])
    return summary.times.percentiles("age")["p50"] / milliseconds


def main() -> None:
    given = argparse.ArgumentParser(prog="python -m tosa_edge.bench.overhead", description=__doc__)
    given.add_argument("--model", default=DEFAULT_MODEL)
    given.add_argument("--rounds", type=int, default=8)
    given.add_argument("--json", action="store_true")
    asked = given.parse_args()
    found, age = shares(asked.model, asked.rounds), age_ratio(80.0)
    percentiles = {name: np.percentile(ratios, (10, 50, 90), axis=0).T for name, ratios in found.items()}
    result = {
        "model": asked.model,
        "shares": {name: _named(rate) for name, (rate, _) in percentiles.items()},
        "shares_of_processor_time": {name: _named(cpu) for name, (_, cpu) in percentiles.items()},
        "least_share": LEAST_SHARE,
        "least_share_recording": LEAST_RECORDING,
        "age_ratio": round(age, 3),
        "most_age_ratio": MOST_AGE,
        "machine": machine.facts(),
    }
    if asked.json:
        print(json.dumps(result))
        return
    print(f"{asked.model}, a file at full speed, as a share of a bare loop's rate:")
    for name, ((low, middle, high), (_, cpu, _)) in percentiles.items():
        print(f"  {name}: {middle:.1%} ({low:.1%}..{high:.1%}); by processor time {cpu:.1%}")
    print(f"age of a live result before a model of 80 ms: {age:.2f} times the model's time")


def _named(percentiles: np.ndarray) -> dict[str, float]:
    return dict(zip(("p10", "p50", "p90"), percentiles.round(4).tolist(), strict=True))


if __name__ == "__main__":
    main()
