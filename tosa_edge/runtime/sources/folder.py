"""Pictures in files: those of a folder, in the order a person would count them, or any that are named."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tosa_edge.errors import TosaEdgeError
from tosa_edge.pictures.reading import SUFFIXES, read_picture
from tosa_edge.runtime.sources import Frame, Source
from tosa_edge.runtime.sources.address import natural

_DEEPEST = 100  # folders in one another that pictures are taken from
VIDEOS = frozenset({".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".ts", ".wmv"})


class PicturesSource(Source):
    """Each frame has its file's name, without the ending where that is enough to tell them apart.

    `refused` says what could not be read whole and was left out: the others are worth having.
    """

    fps = 10.0  # pictures in files say nothing of their rate; ten a second can be watched
    still = True

    def __init__(self, label: str, folder: Path, paths: Sequence[Path], notes: Sequence[str] = ()) -> None:
        self.label, self.notes = label, list(notes)
        self.refused: list[str] = []
        self._paths = list(paths)
        self._names = names_of([path.relative_to(folder) for path in paths])
        self.frame_count = len(self._paths)

    @classmethod
    def of(cls, files: Sequence[str]) -> PicturesSource:
        """Some pictures, of one folder or of several."""
        paths = [Path(path) for path in dict.fromkeys(map(_without_dots, files))]
        folder = Path(os.path.commonpath([path.parent for path in paths]))
        return cls(f"{len(paths)} pictures", folder, paths)

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        for path, name in zip(self._paths, self._names, strict=True):
            try:
                picture = read_picture(path)
            except (TosaEdgeError, OSError) as error:
                self.refused.append(error.what if isinstance(error, TosaEdgeError) else str(error))
                continue
            yield Frame(index, index / self.fps, picture, name)
            index += 1
        if not index:
            raise TosaEdgeError(
                f"no picture in {self.label} can be read: {self.refused[0]}", "Copy or download them again."
            )

    def close(self) -> None:
        """Nothing is held open."""


class FolderSource(PicturesSource):
    """A folder's pictures; with `recursive` its folders' too, each under its path."""

    def __init__(self, spec: str, recursive: bool = False) -> None:
        folder = Path(spec)
        files, folders = _walked(folder, recursive)
        pictures = [path for path in files if path.suffix.lower() in SUFFIXES]
        videos = [path for path in files if path.suffix.lower() in VIDEOS]
        if not pictures:
            raise TosaEdgeError(f"the folder {spec} holds no pictures", _remedy(videos, folders))
        super().__init__(spec, folder, pictures, _left_out(folder, files, pictures, videos, folders))


def names_of(paths: Sequence[Path]) -> list[str]:
    """`room.jpg` is `room`; beside a `room.png` both keep theirs, with a `room.png.jpg` all."""
    short = [path.with_suffix("").as_posix() for path in paths]
    often = Counter(short)
    whole = [path.as_posix() for path in paths]
    names = [name if often[name] == 1 else full for name, full in zip(short, whole, strict=True)]
    return names if len(set(names)) == len(names) else whole


def _without_dots(file: str) -> str:
    """The absolute path with no `..` in it, which after a link leads elsewhere than the text says."""
    folder, name = os.path.split(file)
    found = os.path.realpath(folder) if ".." in Path(folder).parts else os.path.abspath(folder)
    return os.path.join(found, name)


def _walked(folder: Path, recursive: bool) -> tuple[list[Path], list[Path]]:
    """Files in natural order, and the folders that were not gone into. Hidden ones are nobody's pictures."""
    files: list[Path] = []
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        if len(here.parts) - len(folder.parts) > _DEEPEST:
            raise TosaEdgeError(
                f"{folder} holds more than {_DEEPEST} folders in one another", "Give one further within."
            )
        entries = sorted((p for p in here.iterdir() if not p.name.startswith(".")), key=natural)
        files += [p for p in entries if p.is_file()]
        folders = [p for p in entries if p.is_dir()]
        if not recursive:
            return files, folders
        # A link may lead round in a circle.
        waiting += [inner for inner in reversed(folders) if not inner.is_symlink()]
    return files, []


def _remedy(videos: Sequence[Path], folders: Sequence[Path]) -> str:
    if videos:
        return f"It holds {_count(videos, 'video')}; give one by itself: tosa-edge run {videos[0]}"
    if folders:
        return f"It holds {_count(folders, 'folder')}; --recursive takes their pictures."
    return f"Give a folder with some of: {', '.join(sorted(s[1:] for s in SUFFIXES))}."


def _left_out(
    folder: Path,
    files: Sequence[Path],
    pictures: Sequence[Path],
    videos: Sequence[Path],
    folders: Sequence[Path],
) -> list[str]:
    others = [path for path in files if path not in {*pictures, *videos}]
    kinds = (
        (videos, "video", "give each by itself"),
        (folders, "folder", "--recursive takes their pictures"),
        (others, "other file", ""),
    )
    return [
        f"left out of {folder}: {_count(paths, word)}{f'; {advice}' if advice else ''}"
        for paths, word, advice in kinds
        if paths
    ]


def _count(paths: Sequence[Path], word: str) -> str:
    """`2 videos (a.mp4, b.mp4)`"""
    named = ", ".join(path.name for path in paths[:3]) + (", ..." if len(paths) > 3 else "")
    return f"{len(paths)} {word}{'s' if len(paths) > 1 else ''} ({named})"
