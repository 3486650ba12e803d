"""ImageNet's labels as they are published: numbers of its own, and a table of WordNet's names for them.

A model's classes are numbered by WordNet's names in ascending order; ILSVRC's numbers are in another. The
devkit has both the labels and the table, which is a MATLAB file that SciPy reads. A text file of lines
`WNID NUMBER words` or `NUMBER WNID words` may stand for the table.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from pathlib import Path

from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.evaluation.tar_members import read_members

ARCHIVE = "ILSVRC2012_img_val.tar"
_FIRST = "ILSVRC2012_val_00000001.JPEG"
_KIT = "ILSVRC2012_devkit_t12"
_TRUTH, _META, _TABLE = "ILSVRC2012_validation_ground_truth.txt", "meta.mat", "synsets.txt"
_WNID = re.compile(r"n\d{8}")
_MOST = 1 << 24  # bytes of labels, or of a table
_MOST_CLASSES = 1 << 16
_REMEDY = f"Put ImageNet's devkit, {_KIT}.tar.gz, beside the pictures as it was downloaded."


def is_imagenet(path: Path) -> bool:
    """The archive, or a folder with it or with what was in it."""
    if path.is_file():
        return path.suffix == ".tar"
    return (path / ARCHIVE).is_file() or (path / _FIRST).is_file()


def validation_labels(path: Path) -> tuple[tuple[str, ...], list[int]]:
    """WordNet's names in ascending order, and the place among them of each picture's, in their order."""
    folder = path if path.is_dir() else path.parent
    truth = _file(folder, _TRUTH)
    if truth is None:
        raise TosaEdgeError(f"{folder} has no labels for ImageNet's pictures", _REMEDY)
    table = _table(folder)
    names = tuple(sorted(set(table.values())))
    order = {wnid: number for number, wnid in enumerate(names)}
    place = {number: order[wnid] for number, wnid in table.items()}
    labels = []
    for line, text in enumerate(truth.decode("latin-1").split("\n"), 1):
        if not (text := text.strip()):
            continue
        number = int(text) if text.isdecimal() and len(text) < 8 else 0
        if number not in place:
            raise TosaEdgeError(
                f"line {line} of {_TRUTH} is {text[:40]!a}, and the table has {len(names)} numbers", _REMEDY
            )
        labels.append(place[number])
    if missing := len(names) - len(set(labels)):
        raise TosaEdgeError(f"{_TRUTH} has no picture of {missing} of the {len(names)} classes", _REMEDY)
    return names, labels


def _table(folder: Path) -> dict[int, str]:
    """ILSVRC's number of each class to WordNet's name, of classes that have pictures."""
    if (text := _file(folder, _TABLE)) is not None:
        pairs = _of_lines(text.decode("latin-1").splitlines())
    elif (meta := _file(folder, _META)) is not None:
        pairs = _of_matlab(meta)
    else:
        raise TosaEdgeError(f"{folder} has labels and no table of what they mean", _REMEDY)
    table: dict[int, str] = {}
    for number, wnid in pairs:
        if not 1 <= number <= _MOST_CLASSES or not _WNID.fullmatch(wnid) or table.get(number, wnid) != wnid:
            raise TosaEdgeError(f"the table of classes has {number} {wnid[:40]!a}", _REMEDY)
        table[number] = wnid
    if not table or len(set(table.values())) != len(table):
        raise TosaEdgeError("the table of classes is empty, or has one name twice", _REMEDY)
    return table


def _of_lines(lines: Iterable[str]) -> list[tuple[int, str]]:
    found = []
    for line in lines:
        words = line.split()
        if not words:
            continue
        number = next((int(w) for w in words[:2] if w.isdecimal() and len(w) < 8), 0)
        found.append((number, next((w for w in words[:2] if _WNID.fullmatch(w)), line)))
    return found


def _of_matlab(data: bytes) -> list[tuple[int, str]]:
    """Of all synsets the leaves: those above them have no pictures."""
    try:
        from scipy.io import loadmat
    except ImportError:
        raise MachineLacks(
            f"{_META} is a MATLAB file, which the package scipy reads, and it is not installed",
            f"pip install scipy; or write {_TABLE} beside it: NUMBER WNID on every line.",
        ) from None
    try:
        raw = loadmat(io.BytesIO(data), squeeze_me=True, struct_as_record=True)["synsets"]
        return [
            (int(row["ILSVRC2012_ID"]), str(row["WNID"]))
            for row in raw.reshape(-1)
            if int(row["num_children"]) == 0
        ]
    except Exception as error:  # a damaged file ends SciPy's reader in many ways
        raise TosaEdgeError(f"{_META} cannot be read: {error}", _REMEDY) from None


def _file(folder: Path, name: str) -> bytes | None:
    """A file of the devkit: in it as it was downloaded, unpacked, or beside the pictures."""
    for place in (folder / name, folder / "data" / name, folder / _KIT / "data" / name):
        if place.is_file():
            with open(place, "rb") as file:
                return _whole(file.read(_MOST + 1), place)
    kit = folder / f"{_KIT}.tar.gz"
    if not kit.is_file():
        return None
    return read_members(kit, (name,), _MOST).get(name)


def _whole(data: bytes, where: Path) -> bytes:
    if len(data) > _MOST:
        raise TosaEdgeError(f"{where} holds more than {_MOST:,} bytes of labels", _REMEDY)
    return data
