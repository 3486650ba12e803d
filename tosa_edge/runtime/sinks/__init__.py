"""Where results go. One file per sink, one protocol.

Nothing is seen under its final name before it is complete: a sink writes to a temporary name beside it,
`seal` finishes and checks what was written, `commit` renames it, `abort` removes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

    from tosa_edge.depth_model import Prediction
    from tosa_edge.runtime.panels import Painter
    from tosa_edge.runtime.sources import Frame


@dataclass(frozen=True)
class Result:
    """What one frame became.

    age_ms: from the frame's arrival to its depth; what a robot's controller feels.
    fps: results a second of late. dropped, reconnects: of all sources, so far. stream: which source.
    """

    frame: Frame
    prediction: Prediction
    painter: Painter
    age_ms: float
    fps: float
    dropped: int
    reconnects: int
    stream: int = 0

    @cached_property
    def panel(self) -> np.ndarray:
        """The RGB uint8 [h, w, 3] picture made for people, painted when the first sink asks."""
        return self.painter(self.frame, self.prediction)


class Sink(Protocol):
    """Called from one thread, which is not the one that infers.

    idle_s: how long no results may come before `idle` is called; None where nothing is to be done then.
    """

    idle_s: float | None = None

    def write(self, result: Result) -> None: ...

    def seal(self) -> None:
        """Completes and checks what was written. Raises when it is not whole."""

    def commit(self) -> Path | None:
        """Gives it its final name, and says which; None from a sink that leaves no file."""

    def abort(self) -> None:
        """Leaves nothing behind. May be called at any time, and twice."""

    def idle(self) -> None:
        """What a viewer has to do between results. Called by `NewestOnly`, every `idle_s`."""
        return  # most have nothing to do
