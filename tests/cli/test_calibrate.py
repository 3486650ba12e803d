"""`tosa-edge calibrate`: what it writes, and what it says when it cannot."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from tests import media, tiny
from tests.calibration.make import LAYERS, tiny_graph
from tosa_edge.calibration import activations_of, calibration_of, scales_of
from tosa_edge.calibration.table import Table
from tosa_edge.cli import app
from tosa_edge.engine.load import load_graph


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(tiny_graph().bytes())
    return path


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(3):
        media.write_picture(folder / f"{seed}.jpg", seed=seed)
    return folder


def call(*arguments):
    return CliRunner().invoke(app, ["calibrate", *map(str, arguments)])


def test_the_model_and_its_table(tmp_path, model, photos):
    media.cut(photos / "2.jpg")
    out = tmp_path / "new" / "int8.onnx"
    result = call(model, "--data", photos, "-o", out, "--json")
    assert result.exit_code == 1, result.stderr  # one picture was left out
    assert result.stdout.count("\n") == 1
    answer = json.loads(result.stdout)
    assert answer["model"] == str(out)
    assert answer["images"] == 2
    assert answer["table"] == str(tmp_path / "new" / "int8.table.json")
    assert answer["int8_layers"] == len(LAYERS)
    assert set(answer["agreement"]) == {"delta1", "absrel", "kept"}
    assert len(answer["refused"]) == 1
    assert "2.jpg" in result.stderr
    assert "agreement, not accuracy" in result.stderr
    graph = load_graph(str(out))
    assert graph.info.precision == "int8"
    assert activations_of(graph.proto) == "symmetric"
    assert Table.from_json((tmp_path / "new" / "int8.table.json").read_text()).images == 2
    assert media.left_behind(out.parent) == ["int8.onnx", "int8.table.json"]


def test_the_other_form_from_the_same_table(tmp_path, model, photos):
    first, second = tmp_path / "a.onnx", tmp_path / "b.onnx"
    assert call(model, "--data", photos, "-o", first).exit_code == 0
    result = call(
        model, "--table", tmp_path / "a.table.json", "-o", second, "--activations", "unsigned", "--json"
    )
    assert result.exit_code == 0, result.stderr
    assert activations_of(load_graph(str(second)).proto) == "unsigned"
    assert json.loads(result.stdout)["images"] == 3
    assert (tmp_path / "a.table.json").read_text() == (tmp_path / "b.table.json").read_text()
    result = call(model, "--data", photos, "-o", second, "--force", "--json")
    assert json.loads(result.stdout)["cached"] is True


def test_the_form_for_gpus_starts_from_the_half_precision_beside(tmp_path, model, photos):
    result = call(model, "--for", "gpu", "--data", photos, "-o", tmp_path)
    assert result.exit_code == 2
    assert "no fp16 graph beside m" in result.stderr
    (tmp_path / "m.fp16.onnx").write_bytes(tiny_graph(precision="fp16").bytes())
    for host, scales in (("gpu", "float16"), ("cpu", "float32")):
        result = call(model, "--for", host, "--data", photos, "-o", tmp_path, "--json")
        assert result.exit_code == 0, result.stderr
        made = load_graph(str(tmp_path / f"m.int8.{host}.onnx"))
        assert json.loads(result.stdout)["for"] == calibration_of(made.proto)["for"] == host
        assert (made.info.precision, scales_of(made.proto)) == ("int8", scales)
    wrong = call(tmp_path / "m.fp16.onnx", "--data", photos, "-o", tmp_path / "other.onnx")
    assert wrong.exit_code == 2
    assert "INT8 for CPUs starts from float32" in wrong.stderr
    assert "--for gpu" in wrong.stderr


def test_the_report_and_a_budget(tmp_path, model, photos):
    result = call(model, "--data", photos, "-o", tmp_path / "a.onnx", "--report", "--max-drop", 1, "--json")
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert len(answer["costs"]) == 9
    assert set(answer["costs"][0]) == {"group", "layers", "share", "drop", "absrel"}
    assert answer["higher"] == {"groups": [], "layers": []}
    assert "block 3" in result.stderr


def test_a_budget_that_cannot_be_met_is_a_failed_check(tmp_path, model, photos, monkeypatch):
    from tosa_edge.calibration import int8
    from tosa_edge.calibration.agreement import Agreement

    monkeypatch.setattr(int8, "compare", lambda *_: Agreement(0.5, 0.5, 1.0))
    before = media.left_behind(tmp_path)
    result = call(model, "--data", photos, "-o", tmp_path / "a.onnx", "--max-drop", 0.01)
    assert result.exit_code == 1
    assert "cannot be met" in result.stderr
    assert [n for n in media.left_behind(tmp_path) if n.startswith((".", "a."))] == []
    assert set(before) <= set(media.left_behind(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ([], "needs calibration pictures"),
        (["--data", "nowhere"], "there is no nowhere"),
        (["--data", "photos", "--method", "guess"], "--method guess"),
        (["--data", "photos", "--for", "dsp"], "--for dsp"),
        (["--data", "photos", "--activations", "bits"], "--activations bits"),
        (["--data", "photos", "--max-drop", "-1"], "--max-drop -1"),
        (["--table", "nowhere.json"], "nowhere.json cannot be read"),
        (["--table", "m.onnx"], "is not a calibration table"),
        (["--data", "photos", "-o", "folder"], "folder is not the name of an ONNX file"),
        (["--data", "photos", "-o", "m.onnx/x.onnx"], "cannot be written"),
    ],
)
def test_what_is_wrong_is_said_in_two_lines(tmp_path, model, photos, monkeypatch, arguments, what):
    monkeypatch.chdir(tmp_path)
    before = media.left_behind(tmp_path)
    place = [] if "-o" in arguments else ["-o", "x.onnx"]
    result = call("m.onnx", *arguments, *place)
    assert result.exit_code == 2
    error, remedy = result.stderr.strip().splitlines()[-2:]
    assert what in error
    assert remedy.startswith("do: ")
    assert media.left_behind(tmp_path) == before


def test_a_model_that_int8_is_not_for(tmp_path, photos):
    tiny.save(tmp_path / "t.onnx")
    result = call(tmp_path / "t.onnx", "--data", photos, "-o", tmp_path / "x.onnx")
    assert result.exit_code == 2
    assert "holds no layers that INT8 pays for" in result.stderr
    assert not (tmp_path / "x.onnx").exists()
