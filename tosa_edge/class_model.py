"""`ClassModel`: pictures in, a score for each class out."""

from __future__ import annotations

from typing import Any

import numpy as np

from tosa_edge.backends import Backend
from tosa_edge.backends.opening import open_model
from tosa_edge.depth_model import as_rgb_uint8, check_answer, check_ports, is_batch
from tosa_edge.engine.providers import AUTO
from tosa_edge.errors import TosaEdgeError
from tosa_edge.graph_info import GraphInfo
from tosa_edge.pictures.fit import middle_fit


class ClassModel:
    """A classifier ready to be called: it sees the middle of a picture, as it was trained to.

    Example:
        >>> model = ClassModel.load("deit")
        >>> logits = model(frame)                 # uint8 [H, W, 3] RGB -> float32 [classes]
        >>> best = model.top(frame, 5)            # [("tabby cat", 0.71), ...]
    """

    def __init__(self, backend: Backend, info: GraphInfo, label: str) -> None:
        if not info.classifies:
            raise TosaEdgeError(
                f"{label} gives {info.answer}, and no classes",
                "Load it as a DepthModel, or give a classifier.",
            )
        self.info, self.label = info, label
        self._backend, self._closed = backend, False
        backend.activate()
        self.provider = backend.provider
        check_ports(backend, info, label)

    @classmethod
    def load(cls, spec: str, *, threads: int = 0, provider: str = AUTO) -> ClassModel:
        """A model folder, an `.onnx` file or an engine; the arguments are those of `DepthModel.load`."""
        opened = open_model(spec, threads, provider)
        return cls(opened.backend, opened.info, opened.label)

    def __call__(self, frames: Any) -> np.ndarray:
        """One picture, uint8 [H, W, 3] RGB -> float32 [classes]; or several -> [B, classes]."""
        if is_batch(frames):
            if not len(frames):
                raise TosaEdgeError("the batch holds no frames", "Give at least one: [1, H, W, 3].")
            return self._together([as_rgb_uint8(frame) for frame in frames])
        return self._together([as_rgb_uint8(frames)])[0]

    def top(self, frame: Any, most: int = 5) -> list[tuple[str, float]]:
        """The likeliest classes and their probabilities; by number where the model knows no names."""
        shares = probabilities(self(frame))
        names = self.info.labels or tuple(map(str, range(self.info.classes)))
        return [(names[i], float(shares[i])) for i in np.argsort(-shares)[:most]]

    def fitted(self, picture: np.ndarray) -> np.ndarray:
        """What the graph sees of a picture: its middle, at the graph's size."""
        size = self.info.height, self.info.width
        return middle_fit((picture.shape[0], picture.shape[1]), size, self.info.crop).forward(picture)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._backend.deactivate()

    def __enter__(self) -> ClassModel:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _together(self, pictures: list[np.ndarray]) -> np.ndarray:
        if self._closed:
            raise TosaEdgeError(f"{self.label} is closed", "Load it again.")
        batch, found = self.info.batch, []
        for begin in range(0, len(pictures), batch):
            seen = [self.fitted(picture) for picture in pictures[begin : begin + batch]]
            filled = seen + [seen[-1]] * (batch - len(seen))
            outputs = self._backend.infer({"image": np.stack(filled)})
            check_answer(outputs, self.info, self.label)
            found.append(outputs["logits"][: len(seen)].astype(np.float32))
        return np.concatenate(found)


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Of logits [..., C]."""
    powers = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)
