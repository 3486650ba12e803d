"""Pictures without labels: a folder, one picture, a video or a data set, as many as wanted, evenly spread.

What calibrates and what distils reads its pictures here, so that neither learns from an evaluation picture,
and a damaged picture costs nothing but itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tosa_edge.errors import TosaEdgeError
from tosa_edge.evaluation.held_out import refuse_held_out
from tosa_edge.pictures.fit import fit_for, middle_fit
from tosa_edge.pictures.reading import SUFFIXES
from tosa_edge.pictures.spacing import evenly_spaced
from tosa_edge.runtime.sources import Source, open_source

VIDEOS = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm", ".wmv"})
_PNG = b"\x89PNG\r\n\x1a\n"
_DEPTH = bytes([16, 0])  # 16 bits in one channel, as a PNG's header says it


def read_pictures(
    path: Path,
    size: tuple[int, int],
    most: int,
    *,
    fit: str = "crop",
    middle: float | None = None,
    flag: str = "--images",
    on_file: Callable[[int, int], None] = lambda done, files: None,
) -> tuple[np.ndarray, list[str]]:
    """uint8 [n, H, W, 3] at `size`, and what was left out because it could not be read whole.

    Args:
        fit: how a frame goes into the graph, as the runtime has it.
        middle: of a classifier, the share of a frame's sides that it sees; then `fit` says nothing.
        flag: what the user calls `path`, for the error that asks for pictures.
        on_file: told how many files are done, of how many.
    """
    remedy = f"Give {flag} a folder of pictures, or a video, from where the model is going to work."
    if not path.exists():
        raise TosaEdgeError(f"there is no {path}", remedy)
    files = _files(path, most)
    each = -(-most // max(1, len(files)))
    pictures, refused = [], []
    for number, one in enumerate(files, 1):
        try:
            if one.suffix.lower() in SUFFIXES:  # a video is too long to read twice
                refuse_held_out(one)
            pictures += _frames(one, size, each, fit, middle)
        except TosaEdgeError as error:
            refused.append(error.what)
        on_file(number, len(files))
    if not pictures:
        raise TosaEdgeError(refused[0] if refused else f"{path} holds no pictures", remedy)
    return np.stack([pictures[i] for i in evenly_spaced(len(pictures), most)]), refused


def _files(path: Path, most: int) -> list[Path]:
    """One source for each picture of a folder, so that a bad one costs only itself."""
    if not path.is_dir():
        return [path]
    files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    pictures = [p for p in files if p.suffix.lower() in SUFFIXES | VIDEOS and not _is_depth(p)]
    return [pictures[i] for i in evenly_spaced(len(pictures), most)]


def _is_depth(path: Path) -> bool:
    """The depth of a data set lies beside its pictures, and is none."""
    if path.suffix.lower() != ".png":
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(26)
    except OSError:
        return False  # reading it will say what is wrong
    return head.startswith(_PNG) and head[24:26] == _DEPTH


def _frames(path: Path, size: tuple[int, int], most: int, fit: str, middle: float | None) -> list[np.ndarray]:
    source = open_source(str(path))
    try:
        return list(_evenly(source, size, most, fit, middle))
    finally:
        source.close()


def _evenly(
    source: Source, size: tuple[int, int], most: int, fit: str, middle: float | None
) -> Iterator[np.ndarray]:
    """A recording that does not know its length is thinned as it grows: every 2nd, every 4th, ..."""
    wanted = set(evenly_spaced(source.frame_count, most)) if source.frame_count else None
    kept: list[np.ndarray] = []
    step = 1
    for frame in source:
        if frame.index % step or (wanted is not None and frame.index not in wanted):
            continue
        shape = frame.picture.shape[:2]
        seen = fit_for(shape, size, fit) if middle is None else middle_fit(shape, size, middle)
        kept.append(seen.forward(frame.picture))
        if wanted is None and len(kept) == 2 * most:
            kept, step = kept[::2], 2 * step
    return iter([kept[i] for i in evenly_spaced(len(kept), most)])
