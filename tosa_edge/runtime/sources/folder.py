"""A folder of pictures, in the order a person would count them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime.pictures import SUFFIXES, read_picture
from tosa_edge.runtime.sources import Frame


class FolderSource:
    fps = 10.0  # pictures in a folder say nothing of their rate; ten a second can be watched
    live, reconnects = False, 0

    def __init__(self, spec: str) -> None:
        self.label = spec
        files = (
            p for p in Path(spec).iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")
        )
        self._paths = sorted(files, key=natural)
        self.frames: int | None = len(self._paths)
        if not self._paths:
            kinds = ", ".join(sorted(s[1:] for s in SUFFIXES))
            raise TosaEdgeError(
                f"the folder {spec} holds no pictures", f"Give a folder with some of: {kinds}."
            )

    @staticmethod
    def accepts(spec: str) -> bool:
        return Path(spec).is_dir()

    def __iter__(self) -> Iterator[Frame]:
        for index, path in enumerate(self._paths):
            yield Frame(index, index / self.fps, read_picture(path), path.stem)

    def close(self) -> None:
        """Nothing is held open."""


def natural(path: Path) -> list[tuple[int, int, str]]:
    """Sorts `frame9` before `frame10`."""
    parts = re.findall(r"\d+|\D+", path.name.lower())
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts]
