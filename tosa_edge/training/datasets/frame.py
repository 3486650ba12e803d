"""What the readers of public data sets share: frames that are read only when they are wanted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from tosa_edge.evaluation.held_out import refuse_held_out
from tosa_edge.pictures.reading import read_depth, read_picture

# RGB uint8 [H, W, 3] and depth float32 [h, w] in metres, 0 (or not a number) where there is no reading.
Labelled = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class DatasetFrame:
    """`read` raises TosaEdgeError or OSError when what is on disk is damaged."""

    name: str
    read: Callable[[], Labelled]


@dataclass
class FoundFrames:
    """The frames of a folder, and what was left out of it: "NAME: reason"."""

    frames: list[DatasetFrame] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Format:
    """One way of laying out files. `marks` tells from one folder's file names that it is this one."""

    layout: str
    marks: Callable[[Path, list[str]], bool]
    find: Callable[[Path], FoundFrames]


def folders(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """`root` and all folders below it in a fixed order, each with the sorted names of its files.

    Links are followed, because large data often lies on another disk. Each folder is seen once, so that a
    link to a folder above it comes to an end.
    """
    seen = set()
    for where, inside, names in os.walk(root, followlinks=True):
        if (real := os.path.realpath(where)) in seen:
            inside.clear()
            continue
        seen.add(real)
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        yield Path(where), sorted(name for name in names if not name.startswith("."))


def gather(root: Path, groups: Iterable[tuple[Path, ...]], read: Callable[..., Labelled]) -> FoundFrames:
    """A frame for each group of files (picture first) that is complete; `read` is given its paths.

    What is missing is named once for each folder: a part that was never unpacked is one line, not thousands.
    """
    found, missing = FoundFrames(), dict[Path, list[Path]]()
    for files in groups:
        absent = next((path for path in files if not path.is_file()), None)
        if absent is None:
            name = files[0].relative_to(root).as_posix()
            found.frames.append(DatasetFrame(name, partial(read, *files)))
        else:
            missing.setdefault(absent.parent, []).append(absent)
    for first, *others in missing.values():
        more = f", nor {len(others)} more of its folder" if others else ""
        found.refused.append(f"{first.relative_to(root).as_posix()}: it is not there{more}")
    return found


def read_pair(picture: Path, depth: Path, per_metre: int = 1000) -> Labelled:
    """A picture and a 16-bit PNG of depth, whose values are `per_metre` to the metre."""
    refuse_held_out(picture)
    # read_depth takes the values for millimetres.
    return read_picture(picture), read_depth(depth) * np.float32(1000 / per_metre)
