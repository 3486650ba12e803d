"""The pictures of a shard, in order; what cannot be read comes as its reason, and stops nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from tosa_edge.batch.parquet import pictures_from
from tosa_edge.batch.plan import Shard
from tosa_edge.errors import TosaEdgeError
from tosa_edge.pictures.reading import decode_picture, read_picture
from tosa_edge.runtime.sources.video import VideoSource


@dataclass(frozen=True)
class Item:
    """One picture, or why there is none: then `reason` says it."""

    name: str
    source: str
    index: int = 0
    time_s: float | None = None
    picture: np.ndarray | None = None
    reason: str = ""


Load = Callable[[], "Item | None"]


class Reader:
    """Gives loaders, in order. Those of pictures may be called side by side; others one after the other, and
    the first that gives None is the end.

    Videos and Parquet are only read forwards: seeking in a video finds another frame than counting does, in
    some of them. Whoever goes on where it stopped reads nothing twice.
    """

    def __init__(self, column: str = "") -> None:
        self._column = column
        self._opened: tuple[str, Iterator[Any]] | None = None
        self._next = 0
        self._ended = False

    def loads(self, shard: Shard) -> Iterator[Load]:
        if shard.kind == "pictures":
            for name in shard.names:
                yield _load_of(name, os.path.join(shard.source, name))
            return
        self._ended = False
        indices = count(shard.start) if shard.stop is None else range(shard.start, shard.stop)
        for index in indices:
            yield self._load_of(shard, index)

    def _load_of(self, shard: Shard, index: int) -> Load:
        name = f"{shard.name}/{index:08d}"
        if shard.kind == "video":
            return lambda: self._frame(shard.source, name, index)
        return lambda: self._row(shard.source, name, index)

    def _frame(self, path: str, name: str, index: int) -> Item | None:
        found, reason = self._at(path, index, _frames)
        if reason:
            return Item(name, path, index, reason=reason)
        return None if found is None else Item(name, path, index, found.timestamp, found.picture)

    def _row(self, path: str, name: str, index: int) -> Item | None:
        found, reason = self._at(path, index, lambda path, start: pictures_from(path, self._column, start))
        if reason:
            return Item(name, path, index, reason=reason)
        if self._ended:
            return None
        if found is None:
            return Item(name, path, index, reason=f"row {index} of {path} has no picture")
        return _decoded(found, name, path, index)

    def _at(self, path: str, index: int, begin: Callable[[str, int], Iterator[Any]]) -> tuple[Any, str]:
        """What is at a place, or why nothing further can be had of this file: which is said once a shard."""
        if self._ended:
            return None, ""
        try:
            if self._opened is None or self._opened[0] != path or self._next > index:
                self.close()
                # A row is gone to by its group; frames have to be counted.
                self._opened, self._next = (path, begin(path, index)), index if begin is not _frames else 0
            while self._next <= index:
                found = next(self._opened[1])
                self._next += 1
            return found, ""
        except StopIteration:
            reason = ""
        except (TosaEdgeError, OSError, ValueError) as error:  # ValueError: pyarrow's, of a damaged page
            reason = _reason(error)
        self.close()
        self._ended = True
        return None, reason

    def close(self) -> None:
        if self._opened is not None:
            with suppress(AttributeError):
                self._opened[1].close()  # type: ignore[attr-defined]
        self._opened = None


def _frames(path: str, _start: int) -> Iterator[Any]:
    source = VideoSource(path)
    try:
        yield from source
    finally:
        source.close()


def _load_of(name: str, path: str) -> Load:
    def load() -> Item:
        try:
            return Item(name, path, picture=read_picture(Path(path)))
        except (TosaEdgeError, OSError) as error:
            return Item(name, path, reason=_reason(error))

    return load


def _decoded(data: bytes, name: str, path: str, index: int) -> Item:
    try:
        return Item(name, path, index, picture=decode_picture(data, name))
    except TosaEdgeError as error:
        return Item(name, path, index, reason=_reason(error))


def _reason(error: Exception) -> str:
    return error.what if isinstance(error, TosaEdgeError) else " ".join(str(error).split())[:300]
