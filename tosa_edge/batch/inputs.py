"""What `--input` names, as shards: folders, patterns, pictures, videos and Parquet, always in one order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tosa_edge.batch.plan import Shard
from tosa_edge.errors import TosaEdgeError
from tosa_edge.pictures.reading import SUFFIXES
from tosa_edge.runtime.sources.address import expanded, natural
from tosa_edge.runtime.sources.folder import VIDEOS
from tosa_edge.runtime.sources.video import VideoSource

PARQUET = ".parquet"
_REMEDY = "Give a folder of pictures, videos or Parquet files, a pattern ('photos/*.jpg'), or such a file."


def absolute(spec: str) -> str:
    """For workers that stand in other folders; a pattern stays one."""
    if "://" in spec:
        raise TosaEdgeError(f"{spec} is no file, and batch reads files", f"Use tosa-edge run. {_REMEDY}")
    return os.path.abspath(spec)


def shards_of(specs: Sequence[str], size: int, column: str = "") -> Iterator[Shard]:
    """All of them, numbered. Raises where a word means nothing, or all of them no picture."""
    number = -1
    for number, shard in enumerate(_unnumbered(specs, size, column)):
        yield replace(shard, number=number)
    if number < 0:
        raise TosaEdgeError(f"{specs[0]} holds no picture, video or Parquet file", _REMEDY)


def _unnumbered(specs: Sequence[str], size: int, column: str) -> Iterator[Shard]:
    """Files of one folder that are called the same have names of their own: those below what all share."""
    files = {spec: [] if os.path.isdir(spec) else expanded(spec) for spec in specs}
    folders = [os.path.dirname(path) for paths in files.values() for path in paths]
    folders += [spec for spec, paths in files.items() if not paths]
    root = os.path.commonpath(folders)
    waiting: list[str] = []
    for spec in specs:
        for path in files[spec] or _walk(spec):
            suffix = os.path.splitext(path)[1].lower()
            if suffix in SUFFIXES:
                waiting.append(os.path.relpath(path, root))
                if len(waiting) == size:
                    yield _of_files(root, waiting)
                    waiting = []
            elif suffix in VIDEOS:
                yield from _ranges("video", path, root, _frames(path), size)
            elif suffix == PARQUET:
                yield from _ranges("parquet", path, root, _rows(path, column), size)
            elif files[spec]:
                raise TosaEdgeError(f"{path} is no picture, video or Parquet file by its name", _REMEDY)
    if waiting:
        yield _of_files(root, waiting)


def _of_files(root: str, names: list[str]) -> Shard:
    return Shard(0, "pictures", root, names=tuple(names), count=len(names))


def _walk(folder: str) -> Iterator[str]:
    """Files in natural order, folder by folder, none of them hidden; links to folders may lead in circles."""
    entries = sorted((e for e in os.scandir(folder) if not e.name.startswith(".")), key=_by_name)
    for entry in entries:
        if entry.is_file():
            yield entry.path
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)


def _by_name(entry: os.DirEntry[str]) -> list[tuple[int, int, str]]:
    return natural(Path(entry.name))


def _ranges(kind: str, path: str, root: str, count: int | None, size: int) -> Iterator[Shard]:
    """The last has no end: containers of videos round how long they are."""
    name = os.path.relpath(path, root)
    starts = range(0, 1 if count is None else count, size)
    for start in starts:
        stop = None if count is None else min(start + size, count)
        open_end = kind == "video" and start == starts[-1]
        shard_of = partial(Shard, 0, kind, path, name, start=start, stop=None if open_end else stop)
        yield shard_of(count=None if stop is None else stop - start)


def _frames(path: str) -> int | None:
    """As its container says; None of one that cannot be read, which is for the worker to say."""
    try:
        source = VideoSource(path)
    except (TosaEdgeError, OSError):
        return None
    source.close()
    return source.frame_count


def _rows(path: str, column: str) -> int:
    from tosa_edge.batch.parquet import pictures_column, rows_of

    pictures_column(path, column)
    return rows_of(path)
