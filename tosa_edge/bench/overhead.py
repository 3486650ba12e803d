"""What the pipeline costs beside the model: `python -m tosa_edge.bench.overhead [--json]`.

Two figures. A file at full speed, as a share of the rate of a bare loop over the same session that does
nothing but infer one prepared picture; the two take turns, and the ratio is taken in each round. And the age
of a live result: a camera at 30 frames a second, before a model that takes a known time on its accelerator.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tosa_edge import machine
from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.depth_model import DepthModel, Prediction
from tosa_edge.engine.load import load_graph
from tosa_edge.model import ASSETS, DEFAULT_MODEL
from tosa_edge.pictures.fit import plan
from tosa_edge.runtime import pipeline
from tosa_edge.runtime.sources import Frame, open_source
from tosa_edge.runtime.sources.video import VideoSource

LEAST_SHARE, MOST_AGE = 0.95, 1.6
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

    def __post_init__(self) -> None:
        self.info, self.label = self.model.info, "accelerator"
        self._answer = self.model.predict(np.zeros((480, 640, 3), np.uint8))

    def predict_next(self, frame: np.ndarray, stream: int = 0) -> Prediction:
        time.sleep(self.seconds)
        return self._answer


def shares(spec: str, rounds: int) -> np.ndarray:
    """The pipeline's rate as a share of the bare loop's, by round."""
    graph = load_graph(spec)
    backend = OnnxRuntimeBackend(graph)
    found = []
    with DepthModel(backend, graph.info, graph.label) as model:
        picture = next(iter(_Start(str(ASSETS / "clip.webm")))).picture
        fit = plan((picture.shape[0], picture.shape[1]), (graph.info.height, graph.info.width), model.fit)
        image = fit.forward(picture)[None]
        for number in range(rounds):
            rates = {}
            for turn in range(2):
                bare = (number + turn) % 2 == 0
                rates[bare] = _bare(backend, image) if bare else _run(model)
            found.append(rates[False] / rates[True])
    return np.array(found)


def _bare(backend: OnnxRuntimeBackend, image: np.ndarray) -> float:
    began = time.perf_counter()
    for _ in range(_FRAMES):
        backend.infer({"image": image})
    return _FRAMES / (time.perf_counter() - began)


def _run(model: DepthModel) -> float:
    return pipeline.run(_Start(str(ASSETS / "clip.webm")), model, []).fps


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
    low, middle, high = np.percentile(found, (10, 50, 90)).round(4)
    result = {
        "model": asked.model,
        "share": middle,
        "share_p10": low,
        "share_p90": high,
        "least_share": LEAST_SHARE,
        "age_ratio": round(age, 3),
        "most_age_ratio": MOST_AGE,
        "machine": machine.facts(),
    }
    if asked.json:
        print(json.dumps(result))
    else:
        print(
            f"{asked.model}, a file at full speed: {middle:.1%} of a bare loop's rate ({low:.1%}..{high:.1%})"
        )
        print(f"age of a live result before a model of 80 ms: {age:.2f} times the model's time")


if __name__ == "__main__":
    main()
