"""Every verb: one JSON object on stdout, two lines and exit 2 for what a user can mend."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from tests import media, tiny
from tosa_edge.cli import app
from tosa_edge.diagnosis.next_command import next_command


def call(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def answer(*arguments: object) -> dict:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


@pytest.fixture
def model(tmp_path) -> Path:
    return tiny.save(tmp_path / "m.onnx", tiny.selective_info())


def test_run_a_video(tmp_path, model):
    video = media.write_video(tmp_path / "v.webm", frames=8)
    result = answer("run", "--source", video, "--engine", model, "--out", tmp_path / "o", "--depth-maps")
    assert result["frames"] == 8
    assert set(result["latency_ms"]) == {"p50", "p90", "p99"}
    assert {"fps", "stages_ms", "dropped", "reconnects"} <= set(result)
    assert [Path(p).name for p in result["outputs"]] == [
        "run.webm",
        "contact_sheet.png",
        "depth",
        "summary.json",
    ]
    assert all(Path(p).exists() for p in result["outputs"])
    assert json.loads((tmp_path / "o" / "summary.json").read_text()) == result


def test_run_records_only_what_is_asked_for(tmp_path, model):
    picture = media.write_picture(tmp_path / "p.jpg")
    result = answer("run", picture, "--model", model, "--record", tmp_path / "r.avi", "--fit", "crop")
    assert result["outputs"] == [str(tmp_path / "r.avi")]
    assert media.left_behind(tmp_path) == ["m.onnx", "p.jpg", "r.avi"]


def test_run_without_a_place_makes_a_folder(tmp_path, model, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = answer("run", media.write_video(tmp_path / "v.webm", frames=2), "--engine", model)
    assert result["outputs"][0] == str(Path("run") / "run.webm")


def test_demo_uses_the_bundled_model_and_clip(tmp_path, monkeypatch):
    """With a stand-in for the model: the bundled one has its own tests."""
    (tmp_path / "assets" / "tosa_depth_s").mkdir(parents=True)
    tiny.save(tmp_path / "assets" / "tosa_depth_s" / "g1.onnx", tiny.selective_info())
    media.write_video(tmp_path / "assets" / "clip.webm", frames=6)
    monkeypatch.setattr("tosa_edge.find_model.ASSETS", tmp_path / "assets")
    result = answer("demo", "--out", tmp_path / "demo")
    assert result["frames"] == 6
    assert media.left_behind(tmp_path / "demo") == [
        *("clip.webm", "contact_sheet.png", "demo.webm", "summary.json")
    ]
    left = (tmp_path / "demo" / "clip.webm").read_bytes()
    assert left == (tmp_path / "assets" / "clip.webm").read_bytes()
    command, _ = next_command()
    assert command in call("demo", "--out", tmp_path / "demo").stderr


def test_a_demo_ends_with_what_fits_the_machine(tmp_path):
    (tmp_path / "dev").mkdir()
    assert next_command(tmp_path, lambda: None)[0] == "tosa-edge run YOUR_VIDEO"
    (tmp_path / "dev/video0").touch()
    assert next_command(tmp_path, lambda: None)[0] == "tosa-edge run 0 --serve"
    assert next_command(tmp_path, object)[0] == "tosa-edge build --precision fp16"


def test_without_a_verb_it_says_what_to_type():
    said = call().stdout.splitlines()
    assert all(len(line) <= 80 and line.startswith("tosa-edge ") for line in said)
    verbs = {line.split()[1] for line in said} - {"-h"}
    assert verbs <= set(get_command(app).commands)
    assert said[0].startswith("tosa-edge demo")


def test_evaluate(tmp_path, model):
    (tmp_path / "d").mkdir()
    for name in ("nyu_1", "nyu_2", "tum_1"):
        media.write_picture(tmp_path / "d" / f"{name}.jpg")
        depth = np.linspace(1000, 3000, 60 * 90).reshape(60, 90).astype(np.uint16)
        cv2.imwrite(str(tmp_path / "d" / f"{name}.png"), depth)
    result = answer("evaluate", model, "--data", tmp_path / "d")
    assert {"absrel", "rmse", "delta1", "delta2", "delta3"} <= set(result)
    assert result["n"] == 3
    assert set(result["baselines"]) == {"constant", "ramp"}
    assert answer("evaluate", model, "--data", tmp_path / "d", "--prefix", "nyu")["n"] == 2
    assert answer("evaluate", model, "--data", tmp_path / "d", "--limit", 1)["n"] == 1
    assert "3 frames" in call("evaluate", model, "--data", tmp_path / "d").stdout
    assert call("evaluate", model, "--data", tmp_path / "d", "--prefix", "x").exit_code == 2


def test_bench(tmp_path, model):
    dense = tiny.save(tmp_path / "dense.onnx")
    result = answer("bench", dense, model, "--rounds", 3, "--threads", 1, "--profile")
    assert [set(row) >= {"name", "p50_ms", "peak_mb", "ratio"} for row in result["rows"]] == [True, True]
    assert {row["op"] for row in result["profile"]["dense"]} == {"Cast", "ReduceMean", "Div"}


def test_inspect(model):
    result = answer("inspect", model)
    assert result["info"]["kept"] == tiny.KEPT
    assert result["operators"]["TopK"] == 4
    assert result["outputs"][1] == {"name": "kept", "type": "int32", "shape": [1, 2, tiny.KEPT]}
    assert result["weights"]["tensors"] == 7


@pytest.mark.parametrize(("verb", "says"), [("doctor", "ONNX Runtime"), ("inspect", "selective layers")])
def test_what_was_asked_for_is_on_stdout_unless_a_program_asks(model, verb, says):
    words = (verb, model) if verb == "inspect" else (verb,)
    told = call(*words)
    assert (told.exit_code, told.stderr) == (0, "")
    assert says in told.stdout
    told = call(*words, "--json")
    assert says in told.stderr
    assert json.loads(told.stdout)


def test_doctor_says_what_is_there():
    result = answer("doctor")
    checks = {check["name"]: check for check in result["checks"]}
    assert result["ready"] is True
    assert checks["onnxruntime"]["verdict"] == "ok"
    assert checks["video .webm"]["verdict"] == "ok"
    assert all(check["remedy"] for check in result["checks"] if check["verdict"] != "ok")


def _text(path: Path) -> None:
    path.write_text("this is not a model\n" * 50)


def _no_metadata(path: Path) -> None:
    import onnx

    made = tiny.model()
    del made.metadata_props[:]
    onnx.save(made, path)


def _damaged_metadata(path: Path) -> None:
    import onnx

    made = tiny.model()
    made.metadata_props[0].value = '{"height": 13}'
    onnx.save(made, path)


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda path: path.unlink(), "there is no model"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (_text, "not an ONNX model"),
        (media.cut, "not an ONNX model"),
        (_no_metadata, "not one of tosa-edge's"),
        (_damaged_metadata, "damaged"),
    ],
)
@pytest.mark.parametrize("verb", ["inspect", "bench", "evaluate", "run"])
def test_bad_models(tmp_path, model, verb, spoil, what):
    spoil(model)
    picture = media.write_picture(tmp_path / "p.jpg")
    cv2.imwrite(str(tmp_path / "p.png"), np.full((60, 90), 2000, np.uint16))
    before = media.left_behind(tmp_path)
    arguments = {
        "inspect": ["inspect", model],
        "bench": ["bench", model],
        "evaluate": ["evaluate", model, "--data", tmp_path],
        "run": ["run", "--source", picture, "--engine", model, "--out", tmp_path / "out"],
    }[verb]
    complains(call(*arguments), what)
    assert media.left_behind(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "spoil", "what"),
    [
        ("v.webm", lambda p: p.unlink(), "no source"),
        ("v.webm", media.cut, "cut short"),
        ("v.webm", lambda p: p.write_bytes(b""), "is empty"),
        ("p.jpg", media.cut, "cut short"),
        ("p.png", media.cut, "cut short"),
        ("p.png", lambda p: p.write_text("no picture"), "not a picture"),
    ],
)
def test_bad_sources(tmp_path, model, name, spoil, what):
    path = tmp_path / name
    media.write_video(path) if name.endswith("webm") else media.write_picture(path)
    spoil(path)
    before = media.left_behind(tmp_path)
    complains(call("run", "--source", path, "--engine", model, "--out", tmp_path / "out"), what)
    assert media.left_behind(tmp_path) == before


@pytest.mark.parametrize("place", ["file/out", "/proc/out", "/dev/full/out"])
def test_a_place_that_cannot_be_written(tmp_path, model, place):
    (tmp_path / "file").write_text("a file")
    picture = media.write_picture(tmp_path / "p.jpg")
    before = media.left_behind(tmp_path)
    complains(
        call("run", "--source", picture, "--engine", model, "--out", tmp_path / place), "cannot be written"
    )
    assert media.left_behind(tmp_path) == before


def test_errors_are_json_too(tmp_path):
    result = call("inspect", tmp_path / "nothing.onnx", "--json")
    assert result.exit_code == 2
    assert set(json.loads(result.stdout)) == {"error", "remedy"}


@pytest.mark.parametrize("arguments", [["run"], ["bench", "--rounds", "0"], ["evaluate"], ["nonsense"]])
def test_usage_errors_exit_with_2(arguments):
    assert call(*arguments).exit_code == 2


def test_the_help_imports_nothing_heavy():
    child = (
        "import sys; from typer.testing import CliRunner; from tosa_edge.cli import app;"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0;"
        "print([m for m in ('numpy', 'onnx', 'onnxruntime', 'cv2', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def complains(result, what: str) -> None:
    """Exit 2, one line that says what and one that says what to do, nothing on stdout."""
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.strip().splitlines() if not line.startswith(("m on ", "m ━"))]
    assert len(lines) == 2, result.stderr
    assert lines[0].startswith("error: ")
    assert what in lines[0]
    assert lines[1].startswith("do: ")
    assert len(lines[1]) > 10
    assert result.stdout == ""
