"""One `.npy` for each frame: float32 [H, W], exactly what the model gave."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tosa_edge.errors import TosaEdgeError
from tosa_edge.pending import Pending, cannot_write
from tosa_edge.runtime.sinks import Result


class DepthMapsSink:
    """A folder of depth maps, replaced as a whole."""

    def __init__(self, folder: Path) -> None:
        if folder.exists() and (not folder.is_dir() or any(p.suffix != ".npy" for p in folder.iterdir())):
            raise TosaEdgeError(
                f"{folder} holds other things than depth maps; it would be replaced", "Choose another --out."
            )
        self._pending = Pending(folder, folder=True)

    def write(self, result: Result) -> None:
        name = f"{result.frame.index:06d}.npy"
        try:
            np.save(self._pending.path / name, result.prediction.depth)
        except OSError as error:
            raise cannot_write(self._pending.final / name, error) from error

    def seal(self) -> None:
        """`np.save` has already raised if anything was wrong."""

    def commit(self) -> Path:
        return self._pending.commit()

    def abort(self) -> None:
        self._pending.abort()
