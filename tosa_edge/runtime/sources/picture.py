"""A single picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tosa_edge.runtime.pictures import SUFFIXES, read_picture
from tosa_edge.runtime.sources import Frame


class PictureSource:
    fps = 1.0
    frames: int | None = 1
    live, reconnects = False, 0

    def __init__(self, spec: str) -> None:
        self.label = spec
        self._path = Path(spec)
        self._picture = read_picture(self._path)

    @staticmethod
    def accepts(spec: str) -> bool:
        return Path(spec).is_file() and Path(spec).suffix.lower() in SUFFIXES

    def __iter__(self) -> Iterator[Frame]:
        yield Frame(0, 0.0, self._picture, self._path.stem)

    def close(self) -> None:
        """Nothing is held open."""
