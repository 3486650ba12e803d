"""Results as a run would hand them to its sinks, without a model: a bright bar walks over the picture."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from tests import tiny
from tosa_edge.depth_model import Prediction
from tosa_edge.graph_info import GraphInfo
from tosa_edge.pictures.fit import fit_for
from tosa_edge.runtime.panels import Painter
from tosa_edge.runtime.sinks import Result, Sink
from tosa_edge.runtime.sources import Frame

HEIGHT, WIDTH = 60, 90


def result(index: int = 0, info: GraphInfo | None = None, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Result:
    """Depth is the mean of a pixel's colours over 255, as the tiny model gives it."""
    info = info or tiny.selective_info()
    picture = tiny.picture(*size)
    picture[:, (7 * index) % size[1] :][:, :7] = 255
    kept = np.array([[index % 6, (index + 1) % 6], [0, 5]], np.int32)
    prediction = Prediction(
        tiny.expected_depth(picture),
        None if info.dense else np.sort(kept, axis=1),
        fit_for(size, (info.height, info.width), "letterbox"),
        {"prepare": 0.5, "infer": 10 + index % 7, "restore": 0.25},
    )
    frame = Frame(index, index / 10, picture, f"{index}")
    return Result(frame, prediction, Painter(info), 12.5 + index % 5, 20 + index % 3, index // 10, 0)


@contextmanager
def flowing(sink: Sink, info: GraphInfo | None = None, pause_s: float = 0.02) -> Iterator[None]:
    """Results into a sink for as long as the block lasts."""
    over = threading.Event()

    def write() -> None:
        index = 0
        while not over.wait(pause_s):
            sink.write(result(index, info))
            index += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()
