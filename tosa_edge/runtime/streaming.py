"""Reuse over time: between the frames of a video, the tokens that matter hardly move.

A refresh runs the full graph, which chooses the tokens; the frames after it run the reuse form, which has no
selector, on the tokens of that refresh. The reuse form may be one of a larger group: its selections are found
among the full graph's by the layer after which they are made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tosa_edge.depth_model import DepthModel, Prediction
from tosa_edge.errors import TosaEdgeError
from tosa_edge.graph_info import GraphInfo
from tosa_edge.runtime.refresh import FrameSummary, RefreshRule, summarise_frame


@dataclass
class _Stream:
    """What is remembered of one stream: the tokens of its last refresh, and what the picture was like."""

    kept: np.ndarray
    seen: FrameSummary
    age: int


class StreamingModel:
    """Two forms of one model, taken in turn as `refresh` says.

    Example:
        >>> full, reuse = DepthModel.load("tosa_depth_s:g1"), DepthModel.load("tosa_depth_s:g3.reuse")
        >>> model = StreamingModel(full, reuse, Every(5))
        >>> for frame in open_source("hall.mp4"):
        ...     depth = model.predict_next(frame.picture).depth
    """

    def __init__(self, full: DepthModel, reuse: DepthModel, refresh: RefreshRule) -> None:
        self.info, self.label = full.info, f"{full.label} + {reuse.label}"
        self.refreshes, self.reuses = 0, 0
        self._full, self._reuse, self._refresh = full, reuse, refresh
        self._rows = selections_for(full.info, reuse.info, self.label)
        self._streams: dict[int, _Stream] = {}

    def predict_next(self, frame: np.ndarray, stream: int = 0) -> Prediction:
        """The depth of a stream's next frame."""
        known, seen = self._streams.get(stream), summarise_frame(frame)
        if known is not None and not self._due(known, seen):
            known.age += 1
            self.reuses += 1
            return self._reuse.predict(frame, kept=known.kept)
        prediction = self._full.predict(frame)
        assert prediction.kept is not None  # selections_for has seen to that
        self._streams[stream] = _Stream(np.ascontiguousarray(prediction.kept[self._rows]), seen, 0)
        self.refreshes += 1
        return prediction

    def warm_up(self, frame: np.ndarray) -> None:
        """Of both forms."""
        self._reuse.predict(frame, kept=self._full.predict(frame).kept[self._rows])

    def _due(self, known: _Stream, seen: FrameSummary) -> bool:
        return known.seen.size != seen.size or self._refresh.due(known.age + 1, known.seen.change(seen))

    @property
    def refreshed(self) -> float:
        """The share of frames at which tokens were chosen."""
        return round(self.refreshes / max(1, self.refreshes + self.reuses), 4)


def full_of(engine: str) -> str:
    """What chooses the tokens: group 1 of a model whose name alone is given, whatever that runs otherwise."""
    return engine if ":" in engine or engine.endswith((".onnx", ".engine")) else f"{engine}:g1"


def reuse_of(engine: str) -> str:
    """The reuse form that goes with a model's name: group 3's, which goes on from what either group chose."""
    name, _, variant = engine.partition(":")
    if "/" in variant or engine.endswith((".onnx", ".engine")) or variant.startswith("dense"):
        raise TosaEdgeError(
            f"--refresh needs to know which reuse form goes with {engine}",
            "Name it with --reuse, such as --reuse MODEL:g3.reuse or a file made with `export --form reuse`.",
        )
    return f"{name}:g3.reuse" + (".fp16" if variant.endswith(".fp16") else "")


def selections_for(full: GraphInfo, reuse: GraphInfo, label: str) -> list[int]:
    """Which of the full graph's selections the reuse form takes, in its order."""
    missing = set(reuse.selections) - set(full.selections)
    if (
        reuse.form != "reuse"
        or full.form == "reuse"
        or not full.selects
        or missing
        or not _alike(full, reuse)
    ):
        raise TosaEdgeError(
            f"{label}: the second cannot go on with what the first chose",
            "Give a full selective graph, and a reuse form of the same weights, size and keep.",
        )
    return [full.selections.index(layer) for layer in reuse.selections]


def _alike(one: GraphInfo, other: GraphInfo) -> bool:
    facts = ("height", "width", "patch", "kept", "weights_sha256", "output", "batch")
    return all(getattr(one, fact) == getattr(other, fact) for fact in facts)
