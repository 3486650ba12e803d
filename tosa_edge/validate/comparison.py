"""The runs that a verdict needs, each of them once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tosa_edge.graph import LoadedGraph
from tosa_edge.validate.bisect import Tensor, marked
from tosa_edge.validate.reuse_form import reuse_form
from tosa_edge.validate.runs import Feeds, Outputs, as_written, outputs_of
from tosa_edge.validate.subject import Subject


@dataclass
class Comparison:
    """One subject on one set of feeds. Exact depth is kept for each set of patches it was computed with."""

    subject: Subject
    reference: LoadedGraph
    feeds: Feeds
    tick: Callable[[], None]
    _exact: dict[tuple[int, bytes], dict[str, np.ndarray]] = field(default_factory=dict)

    @property
    def peer(self) -> LoadedGraph | None:
        """The same precision in ONNX Runtime; of float32 the reference is its own."""
        return self.reference if self.subject.precision == "fp32" else self.subject.own

    @property
    def selects(self) -> bool:
        return not self.reference.info.dense and self.reference.info.form != "reuse"

    def run(self, graph: LoadedGraph) -> Outputs:
        return outputs_of(as_written(graph), self.feeds, self.tick)

    def exact(self, outputs: Outputs, tensors: list[Tensor] | None = None) -> Outputs:
        """What float32 makes of the feeds with the patches that these outputs have chosen."""
        graph = reuse_form(self.reference)
        if tensors is not None:
            return outputs_of(as_written(marked(graph, tensors)), self.given(outputs), self.tick)
        keys = [(i, o["kept"].tobytes() if self.selects else b"") for i, o in enumerate(outputs)]
        new = [i for i, key in enumerate(keys) if key not in self._exact]
        if new:
            given = self.given(outputs)
            found = outputs_of(as_written(graph), [given[i] for i in new], self.tick)
            self._exact.update(zip([keys[i] for i in new], found, strict=True))
        return [self._exact[key] for key in keys]

    def remember(self, outputs: Outputs) -> None:
        """The reference's own depth: its reuse form computes the very same with the patches it chose."""
        for i, one in enumerate(outputs):
            self._exact[i, one["kept"].tobytes() if self.selects else b""] = one

    def given(self, outputs: Outputs) -> Feeds:
        if not self.selects:
            return self.feeds
        kept = [np.ascontiguousarray(o["kept"], np.int32) for o in outputs]
        return [{**feed, "kept": patches} for feed, patches in zip(self.feeds, kept, strict=True)]
