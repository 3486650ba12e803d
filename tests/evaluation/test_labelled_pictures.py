"""Labelled sets on the disk, as users have them and as ImageNet is published."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest

from tests import media
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.evaluation.labelled_pictures import open_labelled

WNIDS = ("n01440764", "n01443537", "n01484850", "n01491361")
# As in the devkit: its numbers are in no order of WordNet's, and synsets above the classes follow.
NUMBERS = {2: WNIDS[0], 4: WNIDS[1], 1: WNIDS[2], 3: WNIDS[3]}
ABOVE = {5: "n00001740"}
TRUTH = [4, 2, 2, 3, 1, 4]


def folder_of(root: Path, counts: dict[str, int]) -> Path:
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            media.write_picture(root / name / f"{number}.jpg", 20, 30, seed=number + 10 * len(name))
    return root


def meta() -> bytes:
    """`meta.mat` as the devkit has it: a column of structures with these fields among others."""
    scipy_io = pytest.importorskip("scipy.io", reason="scipy is not installed: it comes with 'dev'")
    kinds = [("ILSVRC2012_ID", object), ("WNID", object), ("words", object), ("num_children", object)]
    rows = [(number, wnid, f"words of {wnid}", 0) for number, wnid in sorted(NUMBERS.items())]
    rows += [(number, wnid, "whole, unit", 4) for number, wnid in ABOVE.items()]
    synsets = np.array(rows, dtype=kinds).reshape(-1, 1)
    out = io.BytesIO()
    scipy_io.savemat(out, {"synsets": synsets})
    return out.getvalue()


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def imagenet(root: Path, truth=TRUTH, table: bytes | None = None, pictures: int | None = None) -> Path:
    """The archive of pictures and the devkit's archive, in one folder."""
    root.mkdir(exist_ok=True)
    lines = "".join(f"{number}\n" for number in truth).encode()
    with tarfile.open(root / "ILSVRC2012_devkit_t12.tar.gz", "w:gz") as kit:
        add(kit, "ILSVRC2012_devkit_t12/readme.txt", b"read me")
        add(kit, "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", lines)
        add(kit, "ILSVRC2012_devkit_t12/data/meta.mat", meta() if table is None else table)
    with tarfile.open(root / "ILSVRC2012_img_val.tar", "w") as tar:
        for number in reversed(range(len(truth) if pictures is None else pictures)):
            one = media.write_picture(root / "one.jpg", 20, 30, seed=number)
            add(tar, f"ILSVRC2012_val_{number + 1:08}.JPEG", Path(one).read_bytes())
    (root / "one.jpg").unlink(missing_ok=True)
    return root


def refused(what: str, remedy: str, do):
    with pytest.raises(TosaEdgeError, match=re.escape(what)) as caught:
        do()
    assert remedy in caught.value.remedy
    assert "\n" not in caught.value.what + caught.value.remedy


def test_folders_are_classes_in_the_order_of_their_names(tmp_path):
    found = open_labelled(folder_of(tmp_path, {"lamp": 2, "chair": 1, ".hidden": 1}))
    assert found.classes == ("chair", "lamp")
    assert [(name, label) for name, _, label in found.samples()] == [
        ("chair/0.jpg", 0),
        ("lamp/0.jpg", 1),
        ("lamp/1.jpg", 1),
    ]
    assert all(picture.shape == (20, 30, 3) for _, picture, _ in found.samples())
    assert [name for name, *_ in found.samples(prefix="lamp", most=1)] == ["lamp/0.jpg"]


def test_val_is_taken_where_there_is_train_beside_it(tmp_path):
    folder_of(tmp_path / "train", {"a": 3, "b": 3})
    folder_of(tmp_path / "val", {"a": 1, "b": 1})
    assert len(open_labelled(tmp_path)) == 2


@pytest.mark.parametrize("form", ["archives", "the tar itself", "unpacked", "text"])
def test_imagenet_as_it_is_published(tmp_path, form):
    """Every picture under the number that models give its class: WordNet's names in ascending order."""
    table = b"" if form == "text" else None
    root = path = imagenet(tmp_path / "i", table=table)
    if form == "the tar itself":
        path = root / "ILSVRC2012_img_val.tar"
    if form == "unpacked":
        for archive in list(root.glob("*.tar*")):
            with tarfile.open(archive) as tar:
                tar.extractall(root, filter="data")
            archive.unlink()
    if form == "text":
        (root / "synsets.txt").write_text("".join(f"{w} {n} some words\n" for n, w in NUMBERS.items()))
    found = open_labelled(path)
    assert found.classes == WNIDS
    expected = [WNIDS.index(NUMBERS[number]) for number in TRUTH]
    assert [label for _, _, label in found.samples()] == expected
    first = media.write_picture(tmp_path / "first.jpg", 20, 30, seed=0)
    from tosa_edge.pictures.reading import read_picture

    assert np.array_equal(next(found.samples())[1], read_picture(Path(first)))


def test_classes_are_found_by_name_or_by_order(tmp_path):
    found = open_labelled(folder_of(tmp_path, {"bee": 1, "cat": 1}))
    assert [label for *_, label in found.samples(("ant", "bee", "cat"), 3)] == [1, 2]
    assert [label for *_, label in found.samples(("tabby", "wasp"), 2)] == [0, 1]  # other names for all
    assert [label for *_, label in found.samples((), 2)] == [0, 1]
    refused("has 2 classes, and the model 3", "a folder for each", lambda: list(found.samples((), 3)))
    known = ("ant", "bee")
    refused("the model knows no class 'cat'", "ant, bee", lambda: list(found.samples(known, 2)))


def test_what_is_wrong_with_folders(tmp_path):
    refused("there is no", "CLASS/NAME.jpg", lambda: open_labelled(tmp_path / "no"))
    (tmp_path / "e").mkdir()
    refused("has no folders of classes", "CLASS/NAME.jpg", lambda: open_labelled(tmp_path / "e"))
    root = folder_of(tmp_path / "f", {"a": 1, "b": 1})
    (root / "c").mkdir()
    refused("the class c of", "take its folder away", lambda: open_labelled(root))
    (root / "c/picture.jpg").write_text("no picture")
    found = open_labelled(root)
    refused("picture.jpg", "Give one of", lambda: list(found.samples()))
    left_out: list[str] = []
    assert len(list(found.samples(refused=left_out))) == 2
    assert len(left_out) == 1
    refused("begins with 'z'", "--prefix", lambda: list(found.samples(prefix="z")))
    (tmp_path / "file.txt").write_text("x")
    refused("neither a folder nor", "CLASS", lambda: open_labelled(tmp_path / "file.txt"))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"truth": [1, 2, 3, 9]}, "line 4 of ILSVRC2012_validation_ground_truth.txt is '9'"),
        ({"truth": [1, 2, 3, "x"]}, "is 'x', and the table has 4 numbers"),
        ({"truth": [1, 2, 3, 5]}, "is '5'"),  # a synset above the classes
        ({"truth": [1, 2, 2]}, "has no picture of 2 of the 4 classes"),
        ({"pictures": 5}, "has 5 pictures and 6 labels"),
        ({"table": b"no MATLAB file"}, "meta.mat cannot be read"),
    ],
)
def test_what_is_wrong_with_labels(tmp_path, change, what):
    root = imagenet(tmp_path / "i", **change)
    with pytest.raises(TosaEdgeError, match=re.escape(what)) as caught:
        open_labelled(root)
    assert caught.value.remedy


def test_archives_that_are_none(tmp_path):
    root = imagenet(tmp_path / "i")
    kit, archive = root / "ILSVRC2012_devkit_t12.tar.gz", root / "ILSVRC2012_img_val.tar"
    data = kit.read_bytes()
    kit.write_bytes(data[: len(data) // 2])
    refused("is no whole archive", "again", lambda: open_labelled(root))
    kit.unlink()
    refused("has no labels", "devkit", lambda: open_labelled(root))
    kit.write_bytes(data)
    archive.write_bytes(b"x" * 2048)
    refused("is no whole archive", "again", lambda: open_labelled(root))


def header(kind: bytes, size: int) -> bytes:
    member = tarfile.TarInfo("x")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "data",
    [
        header(b"L", 0) * 3000,  # each an extension of the next: Python reads them by recursion
        header(b"L", 1 << 40),
        header(b"x", 1 << 30),
    ],
    ids=["a chain of extensions", "a name of 1 TiB", "a list of 1 GiB"],
)
def test_archives_that_would_exhaust_their_reader(tmp_path, data):
    root = imagenet(tmp_path / "i")
    (root / "ILSVRC2012_img_val.tar").write_bytes(data + bytes(1024))
    refused("is no whole archive", "again", lambda: open_labelled(root))


def test_without_scipy_it_says_what_else_would_do(tmp_path, monkeypatch):
    import sys

    root = imagenet(tmp_path / "i")
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(MachineLacks, match="scipy") as caught:
        open_labelled(root)
    assert "synsets.txt" in caught.value.remedy
