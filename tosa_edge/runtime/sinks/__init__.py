"""Where results go. One file per sink, one protocol.

Nothing is seen under its final name before it is complete: a sink writes to a temporary name beside it,
`seal` finishes and checks what was written, `commit` renames it, `abort` removes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

    from tosa_edge.depth_model import Prediction
    from tosa_edge.runtime.sources import Frame


@dataclass(frozen=True)
class Result:
    """What one frame became; `panel` is the RGB uint8 [h, w, 3] picture made for people."""

    frame: Frame
    prediction: Prediction
    panel: np.ndarray


class Sink(Protocol):
    def write(self, result: Result) -> None: ...

    def seal(self) -> None:
        """Completes and checks what was written. Raises when it is not whole."""

    def commit(self) -> Path:
        """Gives it its final name, and says which."""

    def abort(self) -> None:
        """Leaves nothing behind. May be called at any time, and twice."""
