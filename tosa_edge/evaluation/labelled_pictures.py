"""Pictures with a class each: folders named by class, or ImageNet's validation archive as it is published.

Nothing is unpacked, and no name in an archive is taken for a path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tosa_edge.errors import TosaEdgeError
from tosa_edge.evaluation.imagenet import ARCHIVE, is_imagenet, validation_labels
from tosa_edge.evaluation.tar_members import index_of
from tosa_edge.limits import BYTES
from tosa_edge.pictures.reading import SUFFIXES, decode_picture, read_picture
from tosa_edge.pictures.spacing import evenly_spaced

LAYOUTS = "Put pictures in a folder for each class (CLASS/NAME.jpg), or give ImageNet's validation archive."
Read = Callable[[], np.ndarray]


@dataclass(frozen=True)
class LabelledPictures:
    """`classes` are names by number; `items` are each picture's name, its number, and what reads it."""

    path: Path
    classes: tuple[str, ...]
    items: tuple[tuple[str, int, Read], ...]

    def __len__(self) -> int:
        return len(self.items)

    def samples(
        self,
        labels: Sequence[str] = (),
        classes: int = 0,
        *,
        prefix: str = "",
        most: int | None = None,
        refused: list[str] | None = None,
    ) -> Iterator[tuple[str, np.ndarray, int]]:
        """Name, picture RGB uint8 [H, W, 3] and number of its class, among `labels` where a model has names.

        Args:
            classes: how many the model has; 0 asks nothing.
            prefix: only of classes, or pictures, whose name begins so.
            most: at most so many, evenly spread over the classes.
            refused: told of pictures that cannot be read, and are left out; None lets none be.
        """
        number_of = self.numbers(labels, classes)
        chosen = [item for item in self.items if item[0].startswith(prefix)]
        if not chosen:
            raise TosaEdgeError(
                f"no picture of {self.path} begins with {prefix!r}", "Leave --prefix out to take all of them."
            )
        for place in evenly_spaced(len(chosen), len(chosen) if most is None else most):
            name, label, read = chosen[place]
            try:
                picture = read()
            except TosaEdgeError as error:
                if refused is None:
                    raise
                refused.append(error.what)
                continue
            yield name, picture, number_of[label]

    def numbers(self, labels: Sequence[str], classes: int) -> dict[int, int]:
        """The model's number of each class here: by name where it knows the names, else by their order."""
        places = {name: place for place, name in enumerate(labels)}
        unknown = [name for name in self.classes if name not in places]
        if labels and unknown and (len(unknown) < len(self.classes) or len(self.classes) != len(labels)):
            raise TosaEdgeError(
                f"the model knows no class {unknown[0][:60]!a}, which {self.path} has",
                f"It knows {', '.join(labels[:3])} and so on: name the folders like that.",
            )
        if labels and not unknown:
            return {number: places[name] for number, name in enumerate(self.classes)}
        if classes and len(self.classes) != classes:
            raise TosaEdgeError(
                f"{self.path} has {len(self.classes)} classes, and the model {classes}",
                "Classes count by the order of their names: a folder for each, be it of one picture.",
            )
        return {number: number for number in range(len(self.classes))}


def open_labelled(path: Path, part: str = "val") -> LabelledPictures:
    """A folder of classes (or one that has a folder `part` of them), or where ImageNet's validation archive
    lies."""
    if not path.exists():
        raise TosaEdgeError(f"there is no {path}", LAYOUTS)
    if is_imagenet(path):
        return _imagenet(path)
    if not path.is_dir():
        raise TosaEdgeError(f"{path} is neither a folder nor ImageNet's archive", LAYOUTS)
    root = path / part if (path / part).is_dir() else path
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not folders:
        raise TosaEdgeError(f"{root} has no folders of classes", LAYOUTS)
    items: list[tuple[str, int, Read]] = []
    for number, folder in enumerate(folders):
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if not files:
            raise TosaEdgeError(
                f"the class {folder.name} of {root} has no pictures",
                "Add some, or take its folder away: classes count by the order of their names.",
            )
        items += [(f"{folder.name}/{p.name}", number, _from_file(p)) for p in files]
    return LabelledPictures(path, tuple(folder.name for folder in folders), tuple(items))


def _from_file(path: Path) -> Read:
    return lambda: read_picture(path)


def _imagenet(path: Path) -> LabelledPictures:
    names, labels = validation_labels(path)
    folder = path if path.is_dir() else path.parent
    archive = path if path.is_file() else folder / ARCHIVE
    if archive.is_file():
        items = _of_archive(archive, labels)
    else:
        files = {p.name: p for p in folder.glob("ILSVRC2012_val_*.JPEG")}
        items = [(name, _label(name, labels, path), _from_file(files[name])) for name in sorted(files)]
    if len({name for name, *_ in items}) != len(labels) or len(items) != len(labels):
        raise TosaEdgeError(
            f"{path} has {len(items)} pictures and {len(labels)} labels",
            "Download the one that is too short.",
        )
    return LabelledPictures(path, names, tuple(items))


def _of_archive(archive: Path, labels: Sequence[int]) -> list[tuple[str, int, Read]]:
    """By where each picture begins, found in one pass over the headers."""
    found = []
    for path, begin, size in index_of(archive):
        name = path.rpartition("/")[2]
        BYTES.check(size, f"{name[:60]!a} in {archive} is too large")
        found.append((name, _label(name, labels, archive), _from_archive(archive, begin, size, name)))
    return sorted(found, key=lambda item: item[0])


def _from_archive(archive: Path, begin: int, size: int, name: str) -> Read:
    def read() -> np.ndarray:
        with open(archive, "rb") as file:
            file.seek(begin)
            return decode_picture(file.read(size), f"{name[:60]} in {archive}")

    return read


def _label(name: str, labels: Sequence[int], where: Path) -> int:
    """`ILSVRC2012_val_00000001.JPEG` is the first."""
    found = re.fullmatch(r"ILSVRC2012_val_([0-9]{8})\.JPEG", name)
    number = int(found[1]) if found else 0
    if not 1 <= number <= len(labels):
        raise TosaEdgeError(
            f"{where} holds {name[:60]!a}, which no label is for",
            "Download it again: it has other files in it.",
        )
    return labels[number - 1]
