"""Reading depth data, and the whole evaluation of a model whose answer is known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests import tiny
from tests.media import write_picture
from tosa_edge import DepthModel
from tosa_edge.errors import TosaEdgeError
from tosa_edge.evaluation.depth_data import find_pairs, read_samples
from tosa_edge.evaluation.evaluate import evaluate


def write_pair(folder: Path, name: str, perfect: bool = True) -> None:
    """A picture whose brightness is inverse depth: the tiny model sees it perfectly."""
    y, x = np.mgrid[0:1:60j, 0:1:90j]
    bright = np.round(60 + 50 * y + 120 * x).astype(np.uint8)
    cv2.imwrite(
        str(folder / f"{name}.jpg"), np.repeat(bright[..., None], 3, axis=2), [cv2.IMWRITE_JPEG_QUALITY, 100]
    )
    inverse = (bright if perfect else bright[:, ::-1]) / 255 + 0.1
    cv2.imwrite(str(folder / f"{name}.png"), np.round(1000 / inverse).astype(np.uint16))


@pytest.fixture
def model(tmp_path_factory) -> DepthModel:
    about = tiny.info(height=56, width=84)
    return DepthModel.load(str(tiny.save(tmp_path_factory.mktemp("m") / "m.onnx", about)), fit="stretch")


def test_a_model_that_sees_beats_the_baselines(tmp_path, model):
    for name in ("nyu_1", "nyu_2", "tum_1"):
        write_pair(tmp_path, name)
    result = evaluate(model, read_samples(find_pairs(tmp_path)))
    assert result["n"] == 3
    assert result["absrel"] < 0.03
    assert result["delta1"] == 1
    for baseline in ("constant", "ramp"):
        assert result["baselines"][baseline]["absrel"] > 3 * result["absrel"]
    assert {name: part["n"] for name, part in result["groups"].items()} == {"nyu": 2, "tum": 1}


def test_a_model_that_does_not_see_does_not(tmp_path, model):
    write_pair(tmp_path, "one", perfect=False)
    result = evaluate(model, read_samples(find_pairs(tmp_path)))
    assert result["absrel"] > 0.1
    assert list(result["groups"]) == ["all"]


def test_two_folders_are_a_layout_too(tmp_path):
    for folder in ("rgb", "depth"):
        (tmp_path / folder).mkdir()
    write_picture(tmp_path / "rgb" / "a.png")
    cv2.imwrite(str(tmp_path / "depth" / "a.png"), np.full((60, 90), 2500, np.uint16))
    (sample,) = read_samples(find_pairs(tmp_path))
    assert sample.depth.dtype == np.float32
    assert (sample.depth == 2.5).all()
    assert sample.picture.shape == (60, 90, 3)


def test_depth_of_another_size_but_the_same_view_is_taken(tmp_path, model):
    write_pair(tmp_path, "a")
    depth = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(tmp_path / "a.png"), cv2.resize(depth, (45, 30), interpolation=cv2.INTER_AREA))
    assert evaluate(model, read_samples(find_pairs(tmp_path)))["absrel"] < 0.05


def _no_depth(folder):
    (folder / "a.png").unlink()


def _no_depth_of_one(folder):
    write_picture(folder / "b.jpg")


def _colour_for_depth(folder):
    write_picture(folder / "a.png")


def _eight_bits(folder):
    cv2.imwrite(str(folder / "a.png"), np.zeros((60, 90), np.uint8))


def _another_view(folder):
    cv2.imwrite(str(folder / "a.png"), np.full((90, 90), 2000, np.uint16))


def _no_readings(folder):
    cv2.imwrite(str(folder / "a.png"), np.zeros((60, 90), np.uint16))


def _cut(folder):
    data = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(data[:-30])


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (_no_depth, "no pictures with depth"),
        (_no_depth_of_one, "b.jpg has no depth"),
        (_colour_for_depth, "colour picture, not depth"),
        (_eight_bits, "8-bit picture, not depth"),
        (_another_view, "not the same view"),
        (_no_readings, "0 readings"),
        (_cut, "cut short"),
    ],
)
def test_bad_data_says_what_is_wrong(tmp_path, model, spoil, what):
    write_pair(tmp_path, "a")
    spoil(tmp_path)
    with pytest.raises(TosaEdgeError, match=what) as error:
        evaluate(model, read_samples(find_pairs(tmp_path)))
    assert error.value.remedy


def test_a_missing_folder(tmp_path):
    with pytest.raises(TosaEdgeError, match="no folder"):
        find_pairs(tmp_path / "nothing")
