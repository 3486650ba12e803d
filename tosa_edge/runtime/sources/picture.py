"""A single picture."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tosa_edge.pictures.reading import SUFFIXES, read_picture
from tosa_edge.runtime.sources import Frame, Source

if TYPE_CHECKING:
    import numpy as np


class PictureSource(Source):
    fps = 1.0
    frame_count = 1
    still = True

    def __init__(self, spec: str, picture: np.ndarray | None = None, name: str = "") -> None:
        """picture, name: where it is not in a file of this machine."""
        self.label, self._name = spec, name or Path(spec).stem
        self._picture = read_picture(Path(spec)) if picture is None else picture

    @staticmethod
    def accepts(spec: str) -> bool:
        return os.path.isfile(spec) and Path(spec).suffix.lower() in SUFFIXES

    def __iter__(self) -> Iterator[Frame]:
        yield Frame(0, 0.0, self._picture, self._name)

    def close(self) -> None:
        """Nothing is held open."""
