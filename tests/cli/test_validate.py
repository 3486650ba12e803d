"""`tosa-edge validate`, and the validation that ends a build: answers, exit codes, what is left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import cv2
import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from tests import media, tiny
from tests.validate.samples import changed, scaled, tiny_folder
from tosa_edge.builder import build as building
from tosa_edge.builder.onnxruntime_builder import optimise
from tosa_edge.builder.steps import Steps
from tosa_edge.cli import app
from tosa_edge.engine.manifest import read_manifest
from tosa_edge.engine.names import manifest_path
from tosa_edge.engine.this_machine import this_machine

gpu_less = pytest.mark.skipif(this_machine().gpu is not None, reason="this machine has a GPU")


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch):
    monkeypatch.setattr("tosa_edge.validate.pictures.COUNT", 2)


@pytest.fixture
def folder(tmp_path):
    return tiny_folder(tmp_path)


def build(folder, *more, variant="g1", name="e.onnx"):
    out = folder.parent / name
    result = call("build", f"{folder}:{variant}", "--backend", "onnxruntime", "-o", out, *more)
    return out, result


def build_by(steps, monkeypatch):
    """The verb's builds, by other steps."""
    monkeypatch.setattr(building, "build", partial(building.build, steps=steps))


@pytest.fixture
def wrong_builder(monkeypatch):
    """A builder that gets one layer wrong, silently."""

    def wrong(graph, scratch):
        data, settings = optimise(graph, scratch)
        model = onnx.load_model_from_string(data)
        scaled("encoder.blocks.2.ls2.gamma", 1.2)(model)
        return model.SerializeToString(), settings

    build_by(Steps(optimise=wrong), monkeypatch)


def test_answers_in_json(folder):
    engine, _ = build(folder, "--no-validate")
    result = call("validate", engine, "--json")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("\n") == 1
    answer = json.loads(result.stdout)
    assert answer["passed"] is True
    assert answer["pictures"] == 2
    for check in answer["checks"]:
        assert set(check) == {"name", "value", "limit", "passed"}
    assert "depth_error" in [check["name"] for check in answer["checks"]]


def test_a_build_ends_with_a_validation_and_its_manifest_has_the_figures(folder):
    engine, result = build(folder, "--json")
    assert result.exit_code == 0, result.stderr
    told = read_manifest(manifest_path(engine)).validation
    assert told.result == "passed"
    assert told.note == "2 pictures of the bundled clip against float32 in ONNX Runtime"
    answer = json.loads(result.stdout)
    assert answer["checks"] == [vars(check) for check in told.checks]
    again = json.loads(build(folder, "--json")[1].stdout)
    assert (again["reused"], again["validation"], again["checks"]) == (True, "passed", answer["checks"])


def test_no_validate_and_a_later_build_that_makes_up_for_it(folder):
    engine, result = build(folder, "--no-validate", "--json")
    assert json.loads(result.stdout)["validation"] == "not run"
    assert read_manifest(manifest_path(engine)).validation.checks == ()
    before = engine.stat().st_mtime_ns
    answer = json.loads(build(folder, "--json")[1].stdout)
    assert (answer["reused"], answer["validation"]) == (True, "passed")
    assert engine.stat().st_mtime_ns == before


def test_a_build_that_went_wrong_exits_1_and_says_where(folder, wrong_builder):
    engine, result = build(folder, "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert (answer["validation"], answer["departed"]) == ("failed", "encoder.blocks.2")
    assert "departs first: encoder.blocks.2" in result.stderr
    assert "see it with: polygraphy run" in result.stderr
    assert "Traceback" not in result.stderr
    told = read_manifest(manifest_path(engine)).validation  # both stay, and say what they are
    assert told.result == "failed"
    assert told.note.endswith("failed: depth_error; departs first: encoder.blocks.2")
    assert build(folder)[1].exit_code == 1  # and it does not become right by being there already
    assert build(folder, "--no-validate")[1].exit_code == 0
    assert call("validate", engine).exit_code == 1


def test_exit_1_and_two_figures_for_a_damaged_engine(folder):
    engine, _ = build(folder)
    changed(engine, scaled("encoder.selectors.0.w2", -1))
    result = call("validate", engine, "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert answer["departed"] == "selection after encoder.blocks.0"
    assert "failed: kept_overlap_worst" in result.stderr


def test_depth_metrics_on_labelled_pictures(folder, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for seed in range(2):
        media.write_picture(data / f"{seed}.jpg", 60, 90, seed)
        depth = (1000 + 3000 * np.linspace(0, 1, 60)[:, None] * np.ones(90)).astype(np.uint16)
        cv2.imwrite(str(data / f"{seed}.png"), depth)
    engine, _ = build(folder, "--no-validate")
    result = call("validate", engine, "--data", data, "--json")
    assert result.exit_code == 0, result.stderr
    found = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    assert found["delta1_drop"]["limit"] == 0.01
    assert found["delta1"]["value"] == pytest.approx(found["delta1_reference"]["value"], abs=0.01)
    complains(call("validate", engine, "--data", tmp_path / "no"), 2, "there is no folder", "Give a folder")


def test_a_reference_of_another_model_or_variant_is_refused(folder, tmp_path):
    engine, _ = build(folder, "--no-validate")
    for reference, what in (("g3", "selective layers"), ("dense", "selective layers"), ("g1.reuse", "form")):
        refused = call("validate", engine, "--reference", f"{folder}:{reference}")
        complains(refused, 2, f"is no reference for e: {what}", "same variant and weights")
    other = tmp_path / "other.onnx"
    model = onnx.load(folder / "g1.onnx")
    (about,) = [p for p in model.metadata_props if p.key == "tosa"]
    about.value = json.dumps({**json.loads(about.value), "weights_sha256": "f" * 64})
    onnx.save(model, other)
    complains(call("validate", engine, "--reference", other), 2, "other weights", "same variant and weights")
    complains(call("validate", engine, "--reference", "nothing"), 2, "there is no model", "Give a path")
    assert call("validate", engine, "--reference", f"{folder}:g1").exit_code == 0


def test_without_a_float32_graph_there_is_nothing_to_compare_with(folder):
    for name in ("g1.onnx", "g1.reuse.onnx"):
        (folder / name).unlink()
    engine, result = build(folder, "--json", variant="g1.fp16")
    assert result.exit_code == 0, result.stderr  # built, and that is all that is known
    answer = json.loads(result.stdout)
    assert answer["validation"] == "not run"
    assert any("not validated: " in note and "no float32 graph beside it" in note for note in answer["notes"])
    complains(call("validate", engine), 2, "no float32 reference of e", "with --reference")


def test_a_core_install_validates_and_finds_the_layer(folder):
    """With every package hidden that `pip install tosa-edge` does not bring."""
    engine, result = build(folder, "--no-validate")
    assert result.exit_code == 0, result.stderr
    changed(engine, scaled("encoder.blocks.2.ls2.gamma", 1.2))
    good = folder.parent / "good.onnx"
    code = f"""
import json, sys
for name in ("polygraphy", "torch", "onnxscript", "onnx_graphsurgeon", "safetensors", "triton", "scipy",
             "tensorrt", "tensorrt_rtx", "cuda", "rerun", "h5py", "pytest"):
    sys.modules[name] = None  # an import of it fails
from typer.testing import CliRunner
from tosa_edge.cli import app
from tosa_edge.validate import pictures
pictures.COUNT = 2
verbs = (["build", {f"{folder}:g1"!r}, "--backend", "onnxruntime", "-o", {str(good)!r}],
         ["validate", {str(good)!r}], ["validate", {str(engine)!r}])
found = [CliRunner().invoke(app, [*verb, "--json"]) for verb in verbs]
print(json.dumps([[one.exit_code, one.stdout, one.stderr] for one in found]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    codes, answers, said = zip(*json.loads(done.stdout), strict=True)
    assert codes == (0, 0, 1), said
    assert json.loads(answers[0])["validation"] == "passed"
    assert json.loads(answers[2])["departed"] == "encoder.blocks.2"
    assert "see it with: polygraphy run" in said[2]


@gpu_less
def test_an_engine_for_a_gpu_that_is_elsewhere(folder, tmp_path):
    engine = tmp_path / "e.engine"
    words = ("build", f"{folder}:g1", "--backend", "tensorrt-rtx", "--target", "89", "-o", engine, "--json")
    result = call(*words)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["validation"] == "not run"
    told = read_manifest(manifest_path(engine)).validation
    assert told.note == "built and parsed, not run: this machine has no NVIDIA GPU"
    complains(call("validate", engine), 3, "was built and parsed, not run", "on the machine it is for")
    media.zeroed(engine)  # compared first: that it is damaged is seen without any GPU
    complains(call("validate", engine), 2, "not the file its manifest describes", "Rebuild it")


@pytest.mark.parametrize(
    ("arguments", "code", "what", "remedy"),
    [
        (["--plugin", "on"], 2, "--plugin on is for tensorrt", "leave --plugin out"),
        (["--plugin", "perhaps"], 2, "there is no --plugin perhaps", "auto, on, off"),
        (["--max-drop", "0.01"], 2, "--max-drop is for calibration", "--calib PATH"),
    ],
)
def test_what_a_build_refuses(folder, arguments, code, what, remedy):
    complains(build(folder, *arguments)[1], code, what, remedy)


@pytest.mark.parametrize("plugin", ["auto", "off"])
def test_native_layers_are_what_there_is(folder, plugin):
    assert build(folder, "--plugin", plugin, "--no-validate")[1].exit_code == 0


def test_the_budget_reaches_calibration_and_the_manifest(tmp_path, monkeypatch):
    asked = []

    def calibrate(graph, data, settings, on_step):
        asked.append(settings)
        return SimpleNamespace(model=tiny.model(tiny.info(precision="int8")), refused=[])

    build_by(Steps(calibrate=calibrate), monkeypatch)
    tiny.save(tmp_path / "m.onnx")
    words = ("--precision", "int8", "--calib", tmp_path / "photos", "--max-drop", "0.02", "--no-validate")
    out = tmp_path / "e.onnx"
    result = call("build", tmp_path / "m.onnx", "--backend", "onnxruntime", *words, "-o", out)
    assert result.exit_code == 0, result.stderr
    assert [settings.max_drop for settings in asked] == [0.02]
    assert read_manifest(manifest_path(out)).settings["max_drop"] == 0.02
    from tosa_edge.engine.rebuild import from_manifest

    assert "--max-drop 0.02" in from_manifest(read_manifest(manifest_path(out)), out)


def complains(result, code: int, what: str, remedy: str) -> None:
    """Two lines and nothing on stdout."""
    assert result.exit_code == code, result.output
    error, do = result.stderr.strip().splitlines()[-2:]
    assert error.startswith("error: ")
    assert what in error
    assert do.startswith("do: ")
    assert remedy in do
    assert result.stdout == ""
