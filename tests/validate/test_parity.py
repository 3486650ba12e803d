"""Engines that are right pass; damaged ones fail in the right check and are followed to the right layer."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests import tiny
from tests.validate.samples import changed, scaled, tiny_folder
from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.builder.build import build
from tosa_edge.depth_model import DepthModel
from tosa_edge.errors import TosaEdgeError
from tosa_edge.validate.validate import validate

pytestmark = pytest.mark.usefixtures("few_pictures")


@pytest.fixture
def few_pictures(monkeypatch):
    monkeypatch.setattr("tosa_edge.validate.pictures.COUNT", 2)


@pytest.fixture
def folder(tmp_path):
    return tiny_folder(tmp_path)


def built(folder, variant="g1", precision="fp32", **more) -> Path:
    out = folder.parent / "e"
    return build(
        f"{folder}:{variant}", precision, "onnxruntime", out=out, **{"validate": False, **more}
    ).engine


def failed(result) -> list[str]:
    return [check["name"] for check in result["checks"] if not check["passed"]]


def polygraphy(command: str) -> subprocess.CompletedProcess:
    words = shlex.split(command)
    assert words[0] == "polygraphy"
    words[0] = str(Path(sys.executable).with_name("polygraphy"))
    return subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PATH": "/usr/bin:/bin"})


@pytest.mark.parametrize(
    ("variant", "precision"),
    [
        ("dense", "fp32"),
        ("dense", "fp16"),
        ("g1", "fp32"),
        ("g1", "fp16"),
        ("g3", "fp32"),
        ("g1.reuse", "fp32"),
    ],
)
def test_a_good_engine_passes(folder, variant, precision):
    result = validate(str(built(folder, variant, precision)))
    assert result["passed"], result["checks"]
    assert (result["precision"], result["pictures"]) == (precision, 2)
    values = {check["name"]: check["value"] for check in result["checks"]}
    assert ("kept_overlap_worst" in values) == (variant in ("g1", "g3"))
    # Compared with something: what half precision costs is seen, and float32 is no copy of its reference.
    assert values["depth_error"] > 0
    assert (values["depth_error"] > 1e-5) == (precision == "fp16")


@pytest.mark.parametrize("engine", [True, False])
def test_what_is_validated_is_what_runs(folder, monkeypatch, engine):
    """A fault of the backend that `run` uses is seen. The reference, computed node for node, has it not."""
    monkeypatch.chdir(folder.parent)  # where a failure is written down
    spec = str(built(folder, "g3")) if engine else f"{folder}:g3"
    infer = OnnxRuntimeBackend.infer

    def faulty(backend, feeds):
        found = infer(backend, feeds)
        return {**found, "depth": found["depth"] * 1.001} if backend.optimise else found

    frame = tiny.picture(56, 84)
    with DepthModel.load(spec) as model:
        right = model(frame)
        monkeypatch.setattr(OnnxRuntimeBackend, "infer", faulty)
        assert (model(frame) != right).any()
    assert failed(validate(spec)) == ["depth_error"]


def test_a_host_that_fails_in_the_middle_is_a_failed_check(folder, monkeypatch):
    engine = built(folder, "g3")

    def refuses(backend, feeds):
        raise TosaEdgeError("the host lost its mind", "Restart it.")

    monkeypatch.setattr(OnnxRuntimeBackend, "infer", refuses)
    result = validate(str(engine))
    assert (failed(result), result["notes"]) == (["runs"], ["the host lost its mind"])


@pytest.mark.parametrize("variant", ["dense", "g1.fp16", "g1.reuse"])
def test_a_model_without_a_manifest_passes_too(folder, variant):
    assert validate(f"{folder}:{variant}")["passed"]


@pytest.mark.parametrize(
    ("variant", "precision", "layer"),
    [
        pytest.param("dense", "fp32", 0, marks=pytest.mark.slow),
        pytest.param("dense", "fp16", 1, marks=pytest.mark.slow),
        pytest.param("g1", "fp32", 1, marks=pytest.mark.slow),
        ("g1", "fp16", 2),
        ("g3", "fp32", 2),  # inside a run: only the kept tokens are there
        pytest.param("g1.reuse", "fp32", 3, marks=pytest.mark.slow),
    ],
)
def test_a_scaled_weight_is_followed_to_its_layer(folder, variant, precision, layer):
    engine = built(folder, variant, precision)
    changed(engine, scaled(f"encoder.blocks.{layer}.ls2.gamma", 1.2))
    result = validate(str(engine))
    assert "depth_error" in failed(result)
    assert result["departed"] == f"encoder.blocks.{layer}"
    seen = polygraphy(result["reproduce"])
    assert seen.returncode == 1, seen.stdout
    assert "FAILED" in seen.stdout
    assert f"{engine.name}.failed" in result["reproduce"]


@pytest.mark.slow
def test_the_command_passes_on_an_engine_that_is_right(folder):
    """Else it would show nothing."""
    engine = built(folder, "g1", "fp16")
    good = engine.read_bytes()
    changed(engine, scaled("encoder.blocks.2.ls2.gamma", 1.2))
    command = validate(str(engine))["reproduce"]
    engine.write_bytes(good)
    seen = polygraphy(command)
    assert seen.returncode == 0, seen.stdout


@pytest.mark.slow
def test_an_overflow_in_half_precision(folder):
    engine = built(folder, "g1", "fp16")
    changed(engine, scaled("encoder.blocks.1.ls2.gamma", 1e6))
    result = validate(str(engine))
    assert {"not_finite", "depth_error"} <= set(failed(result))
    assert result["departed"] == "encoder.blocks.1"
    json.loads(json.dumps(result, allow_nan=False))
    assert polygraphy(result["reproduce"]).returncode == 1


def test_a_layer_that_an_optimiser_hides_is_not_acquitted(folder):
    """ONNX Runtime leaves no half-precision tensor between the last layer and the head."""
    engine = built(folder, "dense", "fp16")
    changed(engine, scaled("encoder.blocks.3.ls2.gamma", 1.2))
    assert validate(str(engine))["departed"] in ("encoder.blocks.3", "encoder.blocks.3 or head")


@pytest.mark.parametrize("layer", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_swapped_importance_is_a_selection_and_no_arithmetic(folder, layer):
    engine = built(folder, "g1")
    changed(engine, scaled(f"encoder.selectors.{layer}.w2", -1))
    result = validate(str(engine))
    assert failed(result) == ["kept_overlap_worst"]
    assert result["departed"] == f"selection after encoder.blocks.{layer}"
    assert polygraphy(result["reproduce"]).returncode == 1


def test_an_engine_that_does_not_run(folder):
    engine = built(folder, "g1", "fp32")

    def spoil(model):
        next(n for n in model.graph.node if n.op_type == "LayerNormalization").input[0] = "image"

    changed(engine, spoil)
    with pytest.raises(TosaEdgeError, match="cannot load"):
        validate(str(engine))


def test_a_damaged_head(folder):
    engine = built(folder, "dense")
    changed(engine, scaled("head.project.3.bias", 3))
    result = validate(str(engine))
    assert failed(result) == ["depth_error"]
    assert result["departed"] in (
        "head",
        "encoder.blocks.3 or head",
    )  # as far as the optimiser lets it be seen


def test_int8_passes_and_a_damaged_layer_fails(folder, tmp_path, monkeypatch):
    from tests.media import write_picture

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for seed in range(3):
        write_picture(pictures / f"{seed}.png", seed=seed)
    engine = built(folder, "g3", "int8", pictures=pictures)
    result = validate(str(engine))
    assert result["passed"], result["checks"]
    limits = {check["name"]: check["limit"] for check in result["checks"]}
    assert limits["kept_overlap_worst"] is None
    assert limits["depth_error"] > 1e-3  # of the quantised graph, made again from the pictures
    changed(engine, scaled("encoder.blocks.3.ls2.gamma", 3))
    assert validate(str(engine))["departed"] == "encoder.blocks.3"
    # Without the pictures there is nothing to hold its error against, and that is said.
    for path in pictures.iterdir():
        path.unlink()
    result = validate(str(engine))
    assert next(c["limit"] for c in result["checks"] if c["name"] == "depth_error") is None
    assert any("has no limit" in note for note in result["notes"])
