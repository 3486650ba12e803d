"""What cannot be read, or gets no depth, costs itself alone: it is named, and the exit code is 1."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from typer.testing import CliRunner

from tests import media, tiny
from tests.calibration.make import tiny_graph
from tests.nets import tiny_checkpoint
from tests.validate.samples import tiny_folder
from tosa_edge.cli import app


def call(*arguments: object, code: int) -> tuple[dict, str]:
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert result.exit_code == code, result.output
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout), result.stderr


@pytest.fixture
def photos(tmp_path, monkeypatch) -> Path:
    """Three pictures, of which the last was not copied to its end."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "photos").mkdir()
    for n in range(3):
        media.write_picture(tmp_path / "photos" / f"{n}.jpg", seed=n)
    media.cut(tmp_path / "photos" / "2.jpg")
    (tmp_path / "photos" / "notes.txt").write_text("no picture, and no fault")
    return tmp_path / "photos"


@pytest.fixture
def measured(photos) -> Path:
    """The same with depth beside them."""
    for n in range(3):
        depth = np.linspace(1000, 3000, 60 * 90).reshape(60, 90).astype(np.uint16)
        cv2.imwrite(str(photos / f"{n}.png"), depth)
    return photos


@pytest.fixture
def model(tmp_path) -> Path:
    return tiny.save(tmp_path / "m.onnx", tiny.selective_info())


def names_the_torn_one(answer: dict, said: str) -> None:
    assert len(answer["refused"]) == 1
    assert "2.jpg is cut short or damaged" in answer["refused"][0]
    assert said.count("left out: ") == 1
    assert "2.jpg" in said


def test_run_keeps_the_depth_of_the_others(tmp_path, model, photos):
    out = tmp_path / "o"
    answer, said = call("run", "--source", photos, "--engine", model, "--out", out, "--depth-maps", code=1)
    names_the_torn_one(answer, said)
    assert answer["frames"] == 2
    assert len(list((out / "depth").iterdir())) == 2
    assert json.loads((out / "summary.json").read_text()) == answer


def test_a_folder_of_nothing_else_is_an_error(tmp_path, model, photos):
    for path in photos.glob("*.jpg"):
        path.write_bytes(b"\xff\xd8\xff" * 9)
    before = media.left_behind(tmp_path)
    answer, _ = call("run", "--source", photos, "--engine", model, "--out", tmp_path / "o", code=2)
    assert "no picture in" in answer["error"]
    assert media.left_behind(tmp_path) == before


def test_evaluate_scores_the_others(model, measured):
    cv2.imwrite(str(measured / "1.png"), np.zeros((60, 90), np.uint16))  # no reading at all
    answer, said = call("evaluate", model, "--data", measured, code=1)
    assert answer["n"] == 1
    assert "the depth of 1 has 0 readings" in answer["refused"][0]
    assert "2.jpg is cut short" in answer["refused"][1]
    assert said.count("left out: ") == 2


def test_calibrate_learns_from_the_others(tmp_path, photos):
    (tmp_path / "f.onnx").write_bytes(tiny_graph().bytes())
    answer, said = call("calibrate", tmp_path / "f.onnx", "--data", photos, "-o", tmp_path / "q.onnx", code=1)
    names_the_torn_one(answer, said)
    assert answer["images"] == 2
    assert (tmp_path / "q.onnx").exists()


def test_build_calibrates_with_the_others(tmp_path, photos):
    (tmp_path / "f.onnx").write_bytes(tiny_graph().bytes())
    words = ("--precision", "int8", "--calib", photos, "--backend", "onnxruntime", "--no-validate")
    answer, said = call("build", tmp_path / "f.onnx", *words, "-o", tmp_path / "q.onnx", code=1)
    names_the_torn_one(answer, said)
    assert (tmp_path / "q.onnx.json").exists()


def test_validate_compares_on_the_others_and_scores_them(tmp_path, measured):
    folder = tiny_folder(tmp_path)
    answer, said = call("validate", f"{folder}:g1", "--data", measured, code=1)
    names_the_torn_one(answer, said)
    assert answer["passed"] is True
    assert answer["pictures"] == 2
    assert "delta1" in [check["name"] for check in answer["checks"]]


def test_distill_learns_from_the_others(tmp_path, photos):
    few = ("--steps", 1, "--selector-steps", 1)
    words = ("distill", tiny_checkpoint(tmp_path), "--images", photos, "-o", tmp_path / "mine", *few)
    answer, said = call(*words, code=1)
    names_the_torn_one(answer, said)
    assert answer["pictures"] == 2
    assert Path(answer["weights"]).exists()


def without_depth(path: Path, limit: float) -> Path:
    """Depth is the mean over 255, and NaN where the whole picture is not brighter than the limit."""
    made = tiny.model(tiny.selective_info())
    for name, number in (("limit", limit), ("none", 0)):
        made.graph.initializer.append(numpy_helper.from_array(np.array(number, np.float32), name))
    made.graph.node[2].output[0] = "plain"
    made.graph.node.extend(
        [
            helper.make_node("ReduceMean", ["plain"], ["all"], keepdims=0),
            helper.make_node("Greater", ["all", "limit"], ["light"]),
            helper.make_node("Cast", ["light"], ["factor"], to=1),
            helper.make_node("Div", ["none", "factor"], ["nothing"]),  # 0 / 0 is NaN
            helper.make_node("Add", ["plain", "nothing"], ["depth"]),
        ]
    )
    onnx.save(made, path)
    return path


def test_frames_without_depth_are_counted_named_and_not_written(tmp_path):
    model, out = without_depth(tmp_path / "m.onnx", 50 / 255), tmp_path / "o"
    video = media.write_video(tmp_path / "v.webm", frames=12)  # of brightness 20, 26, ..., 86
    words = ("run", "--source", video, "--engine", model, "--out", out, "--depth-maps", "--fit", "stretch")
    answer, said = call(*words, code=1)
    assert 3 < answer["without_depth"] < 9
    assert answer["frames"] + answer["without_depth"] == 12
    assert answer["refused"][0] == "frame 000000: the model gave no finite depth"
    assert len(answer["refused"]) == answer["without_depth"] == said.count("left out: ")
    assert "without depth" in said
    maps = [np.load(path) for path in sorted((out / "depth").iterdir())]
    assert len(maps) == answer["frames"]
    assert all(np.isfinite(depth).all() for depth in maps)


def test_a_model_that_never_gives_depth(tmp_path, measured):
    model = without_depth(tmp_path / "m.onnx", 2)
    answer, _ = call("run", "--source", "test://64x48?fps=0", "--frames", 5, "--engine", model, code=1)
    assert (answer["frames"], answer["outputs"]) == (0, [])
    assert answer["without_depth"] >= 5
    answer, _ = call("evaluate", model, "--data", measured, code=2)
    assert "no finite depth" in answer["error"]
