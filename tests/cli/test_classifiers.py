"""A classifier through the verbs, from somebody's checkpoint to a measured engine."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.nets import TINY_CLASSES, tiny_checkpoint
from tests.refusals import refusal
from tosa_edge.class_model import ClassModel
from tosa_edge.cli import app
from tosa_edge.errors import TosaEdgeError
from tosa_edge.evaluation.classes import evaluate_classes


def told(*command: str, code: int = 0) -> dict:
    done = CliRunner().invoke(app, [*command, "--json"], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def labelled(folder: Path, classes=TINY_CLASSES.labels, each: int = 2) -> Path:
    """Every class has a colour of its own."""
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for turn in range(each):
            rng = np.random.default_rng((number, turn))
            picture = np.clip(rng.normal(40 + 30 * number, 25, (80, 120, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / name / f"{turn}.png"), picture)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes")
    told("export", str(tiny_checkpoint(folder, TINY_CLASSES)), "-o", str(folder / "m"), "--dense")
    return folder / "m"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return labelled(tmp_path_factory.mktemp("labelled"))


def test_top1_is_how_often_the_first_class_is_right(model, data):
    found = told("evaluate", f"{model}:dense", "--data", str(data), "--task", "classification")
    assert (found["n"], found["classes"], found["refused"]) == (14, 7, [])
    with ClassModel.load(f"{model}:dense") as loaded:
        pictures = {p: cv2.imread(str(p))[..., ::-1] for p in sorted(data.rglob("*.png"))}
        right = [loaded.top(picture, 1)[0][0] == path.parent.name for path, picture in pictures.items()]
        five = [
            path.parent.name in [name for name, _ in loaded.top(picture, 5)]
            for path, picture in pictures.items()
        ]
    assert found["top1"] == pytest.approx(np.mean(right), abs=1e-4)
    assert found["top5"] == pytest.approx(np.mean(five), abs=1e-4)
    each = [np.mean(right[2 * number : 2 * number + 2]) for number in range(7)]
    assert found["mean_of_classes"] == pytest.approx(np.mean(each), abs=1e-4)
    assert found["top5"] > 0


def test_it_sees_the_middle_of_a_picture(model):
    """90 % of the shorter side, as its configuration says."""
    picture = np.zeros((100, 150, 3), np.uint8)
    picture[5:95, 7:142] = 255  # 64x96 has the proportions of 100x150
    with ClassModel.load(f"{model}:dense") as loaded:
        seen = loaded.fitted(picture)
        assert seen.shape == (64, 96, 3)
        assert seen.min() == 255
        shares = [share for _, share in loaded.top(picture, 7)]
        assert sum(shares) == pytest.approx(1)
        assert loaded([picture, picture]).shape == (2, 7)
        assert shares == sorted(shares, reverse=True)


class Says:
    """A classifier that gives these logits, one after the other."""

    def __init__(self, *logits):
        self.logits, self.label = list(logits), "says"
        self.info = type("Info", (), {"batch": 1})

    def __call__(self, pictures):
        return np.array([self.logits.pop(0) for _ in pictures], np.float32)


def test_equal_scores_are_not_right():
    """Else whoever says the same of every class would never be wrong."""
    picture = np.zeros((2, 2, 3), np.uint8)
    samples = [("a", picture, 1), ("b", picture, 0), ("c", picture, 6)]
    found = evaluate_classes(Says([0] * 7, [2, 1, 0, 0, 0, 0, 0], [6, 5, 4, 3, 2, 1, 0]), samples)
    assert (found["top1"], found["top5"], found["n"]) == (pytest.approx(1 / 3, abs=1e-4),) * 2 + (3,)


def test_what_takes_a_classifier_for_a_depth_model(model, data):
    assert "is a classifier" in refusal("run", str(data), "--model", str(model))
    assert "--task depth" in refusal("evaluate", str(model), "--data", str(data), "--task", "depth")
    assert "--task odd is not known" in refusal("evaluate", str(model), "--data", str(data), "--task", "odd")
    with pytest.raises(TosaEdgeError, match="gives depth, and no classes"):
        ClassModel.load("tosa_depth_s:dense")


def test_calibration_sees_what_the_model_will_see(model, tmp_path):
    """The middle of a wide picture, and no bars."""
    from tosa_edge.calibration.pictures import read_pictures
    from tosa_edge.validate.pictures import validation_pictures

    (tmp_path / "ant").mkdir()
    picture = np.random.default_rng(0).integers(0, 255, (90, 300, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "ant/0.png"), picture[..., ::-1])
    with ClassModel.load(f"{model}:dense") as loaded:
        info, seen = loaded.info, loaded.fitted(picture)
    read, _ = read_pictures(tmp_path, (info.height, info.width), 4, fit="letterbox", middle=info.seen)
    assert np.array_equal(read[0], seen)
    assert np.array_equal(validation_pictures(info, tmp_path)[0], seen)


def test_labels_that_it_does_not_know(model, tmp_path):
    folder = labelled(tmp_path / "d", ("ant", "zebra"))
    assert "knows no class 'zebra'" in refusal("evaluate", str(model), "--data", str(folder))


def test_int8_and_its_agreement(model, data, tmp_path):
    out = tmp_path / "int8.onnx"
    found = told("calibrate", f"{model}:dense", "--data", str(data), "-o", str(out), "--report")
    assert set(found["agreement"]) == {"share", "error", "kept"}
    assert 0.8 < found["agreement"]["share"] <= 1
    assert {"group", "error"} <= set(found["costs"][0])
    assert told("evaluate", str(out), "--data", str(data))["n"] == 14


def test_options_of_another_measurement_are_refused(model, data):
    against = ("bench", str(model), "--against", "--data", str(data))
    assert "--profile" in refusal(*against, "--profile")
    assert "--data and --limit are for --against" in refusal("bench", str(model), "--data", str(data))
    assert "by pictures" in refusal("bench", str(model), "--against")


@pytest.mark.slow
def test_engines_are_validated_by_what_they_answer(model, data, tmp_path):
    engines = tmp_path / "engines"
    graph = str(tmp_path / "g1.onnx")
    told("export", str(model), "-o", graph, "--group", "1")
    told("build", graph, "--precision", "fp32", "-o", str(engines))
    (engine,) = engines.glob("*.onnx")
    found = told("validate", str(engine), "--data", str(data))
    names = {check["name"] for check in found["checks"]}
    assert {"logits_error", "kept_overlap_worst", "top1", "top1_drop", "top5_reference"} <= names
    assert found["passed"]


@pytest.mark.slow
def test_taught_without_labels_and_tuned(model, data, tmp_path):
    taught = told(
        *("distill", str(model), "--images", str(data), "-o", str(tmp_path / "taught"), "--steps", "2"),
        *("--selector-steps", "1", "--batch", "2"),
    )
    told("export", taught["weights"], "-o", str(tmp_path / "again.onnx"), "--group", "1")
    assert told("evaluate", str(tmp_path / "again.onnx"), "--data", str(data))["n"] == 14
    tuned = told(
        *("tune", str(model), "--images", str(data), "-o", str(tmp_path / "tuned"), "--budget", "50%"),
        *("--rounds", "1", "--most", "4"),
    )
    assert tuned["chosen"]  # dense, where so small a model gains nothing
    assert all(0 <= point["loss"] <= 1 for point in tuned["front"])


@pytest.mark.slow
def test_side_by_side(model, data, tmp_path):
    out = tmp_path / "against"
    found = told(*("bench", str(model), "--against", "--data", str(data), "-o", str(out), "--rounds", "1"))
    names = [row["name"] for row in found["rows"]]
    for kind in ("dense", "ToSA g1 keep 0.7", "lot g1", "windows=", "ToMe", "EViT"):
        assert any(name.startswith(kind) for name in names), names
    assert found["pictures"] == 14
    first = found["rows"][0]
    assert (first["name"], first["loss"], first["ratio"]) == ("dense", 0, 1)
    assert (out / "against.svg").read_text().startswith("<svg")
    assert json.loads((out / "against.json").read_text())["rows"] == found["rows"]
