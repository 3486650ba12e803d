import hashlib

import cv2
import numpy as np
import pytest

from tosa_edge.calibration.pictures import read_pictures
from tosa_edge.errors import TosaEdgeError
from tosa_edge.evaluation import held_out
from tosa_edge.training.datasets import open_dataset


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three pictures with depth, of which the middle one is held out."""
    rng = np.random.default_rng(0)
    for name in "abc":
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), rng.integers(0, 256, (56, 84, 3), np.uint8))
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((56, 84), 1000 + ord(name), np.uint16))
    kept_back = hashlib.sha256((tmp_path / "b.jpg").read_bytes()).hexdigest()
    monkeypatch.setattr(held_out, "digests", lambda: frozenset({kept_back}))
    return tmp_path


def test_training_never_reads_an_evaluation_picture(folder):
    data = open_dataset(folder, (56, 84))
    _, depths = data.batch([0, 1, 2])
    assert [round(1000 * float(d.max())) - 1000 for d in depths] == [ord("a"), ord("c"), ord("c")]
    assert len(data.refused) == 1
    assert "evaluation picture" in data.refused[0]


def test_neither_does_distillation(folder):
    for depth in folder.glob("*.png"):
        depth.unlink()
    pictures, refused = read_pictures(folder, (56, 84), 10)
    assert len(pictures) == 2
    assert "b.jpg is an evaluation picture" in refused[0]
    with pytest.raises(TosaEdgeError, match="evaluation picture"):
        read_pictures(folder / "b.jpg", (56, 84), 10)


def test_the_list_is_of_sha256():
    assert len(held_out.digests()) >= 145
    assert all(len(d) == 64 and set(d) <= set("0123456789abcdef") for d in held_out.digests())
