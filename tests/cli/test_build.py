"""`tosa-edge build`: what it answers, what it refuses, what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from typer.testing import CliRunner

from tests import media, tiny
from tests.builders import BACKENDS, needs_rtx
from tosa_edge.cli import app
from tosa_edge.engine.this_machine import this_machine

gpu_less = pytest.mark.skipif(this_machine().gpu is not None, reason="this machine has a GPU")


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def model(tmp_path):
    return tiny.save(tmp_path / "m.onnx", tiny.selective_info())


def test_answers_in_json(tmp_path, model):
    result = call("build", model, "--backend", "onnxruntime", "-o", tmp_path / "e", "--json")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("\n") == 1
    answer = json.loads(result.stdout)
    engine = tmp_path / "e" / "m-g1-28x42-b1.fp32.onnxruntime.onnx"
    assert {k: answer[k] for k in ("engine", "manifest", "backend", "precision", "bytes", "reused")} == {
        "engine": str(engine),
        "manifest": f"{engine}.json",
        "backend": "onnxruntime",
        "precision": "fp32",
        "bytes": engine.stat().st_size,
        "reused": False,
    }
    assert answer["seconds"] > 0
    assert answer["validation"] == "passed"
    assert "validation: passed (" in result.stderr
    assert "kept_overlap_worst 1, at least 0.999" in result.stderr


@gpu_less
def test_auto_says_what_it_chose_and_what_else_there_is(tmp_path, model):
    result = call("build", model, "-o", tmp_path / "e.onnx")
    assert result.exit_code == 0, result.stderr
    assert "built for ONNX Runtime; --backend tensorrt-rtx builds for RTX cards" in result.stderr


@gpu_less
@needs_rtx
def test_for_a_gpu_that_is_elsewhere(tmp_path, model):
    out = tmp_path / "e.engine"
    targets = ("--target", "8.6", "--target", "sm89", "--target", "86")
    result = call("build", model, "--backend", "tensorrt-rtx", *targets, "-o", out, "--json")
    assert result.exit_code == 0, result.stderr
    assert "built and parsed, not run: this machine has no NVIDIA GPU" in result.stderr
    assert json.loads((tmp_path / "e.engine.json").read_text())["targets"] == [86, 89]
    # Whoever tries to use it here is told.
    refused = call("bench", out)
    assert refused.exit_code == 3
    assert "needs an NVIDIA GPU" in refused.stderr


def test_an_engine_serves_where_a_model_does(tmp_path, model):
    out = tmp_path / "e.onnx"
    assert call("build", model, "--backend", "onnxruntime", "-o", out).exit_code == 0
    result = call("bench", model, out, "--rounds", 2, "--threads", 1, "--json")
    assert [row["name"] for row in json.loads(result.stdout)["rows"]] == ["m", "e"]
    assert json.loads(call("inspect", out, "--json").stdout)["info"]["kept"] == tiny.KEPT
    picture = media.write_picture(tmp_path / "p.png")
    ran = call("run", "--source", picture, "--engine", out, "--out", tmp_path / "run", "--json")
    assert json.loads(ran.stdout)["frames"] == 1


@pytest.mark.parametrize("verb", ["bench", "inspect", "run"])
def test_a_tampered_engine_is_refused_by_every_verb(tmp_path, model, verb):
    out, picture = tmp_path / "e.onnx", media.write_picture(tmp_path / "p.png")
    assert call("build", model, "--backend", "onnxruntime", "-o", out).exit_code == 0
    media.zeroed(out)
    words = ["run", "--source", picture, "--out", tmp_path / "run", "--engine"] if verb == "run" else [verb]
    result = call(*words, out)
    complains(result, 2, "not the file its manifest describes", f"-o {out}")


@pytest.mark.parametrize(
    ("arguments", "code", "what", "remedy"),
    [
        (["nothing.onnx"], 2, "there is no model", "Give a path"),
        (["MODEL", "--precision", "int8"], 2, "int8 needs pictures", "--calib PATH"),
        (["MODEL", "--precision", "fp16"], 2, "no fp16 graph beside it", "tosa-edge export"),
        (["MODEL", "--precision", "half"], 2, "there is no precision 'half'", "fp32, fp16, int8"),
        (["MODEL", "--backend", "gpu"], 2, "there is no backend 'gpu'", "tensorrt-rtx"),
        (["MODEL", "--target", "89"], 2, "--target is for tensorrt-rtx", "Add --backend"),
        (["MODEL", "--target", "ada"], 2, "--target ada is not a compute capability", "8.9"),
        (["MODEL", "--calib", "."], 2, "--calib has no use at fp32", "--precision int8"),
        (["MODEL", "-o", "e.engine"], 2, "ends in .onnx", "e.onnx"),
        (["MODEL", "-o", "m.onnx"], 2, "m.onnx is read", "another place"),
        (["MODEL", "-o", "m.onnx/e.onnx"], 2, "cannot be written", "Choose"),
        (["MODEL", "-o", "/proc/e.onnx"], 2, "cannot be written", "Choose"),
    ],
)
def test_two_lines_for_what_cannot_be_built(tmp_path, model, monkeypatch, arguments, code, what, remedy):
    monkeypatch.chdir(tmp_path)
    words = [str(model) if word == "MODEL" else word for word in arguments]
    backend = [] if "--backend" in words or "--target" in words else ["--backend", "onnxruntime"]
    complains(call("build", *words, *backend), code, what, remedy)
    assert media.left_behind(tmp_path) == ["m.onnx"]


def test_a_backend_that_is_not_installed(tmp_path, model, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)  # makes the import fail
    this_machine.cache_clear()
    result = call("build", model, "--backend", "tensorrt", "-o", tmp_path / "e")
    this_machine.cache_clear()
    complains(result, 3, "TensorRT is not installed", "pip install 'tosa-edge[tensorrt]'")
    assert media.left_behind(tmp_path) == ["m.onnx"]


@pytest.mark.parametrize("spoil", ["truncated", "empty", "text", "no metadata"])
def test_bad_models(tmp_path, model, spoil):
    import onnx

    if spoil == "truncated":
        media.cut(model)
    elif spoil == "no metadata":
        made = tiny.model()
        del made.metadata_props[:]
        onnx.save(made, model)
    else:
        model.write_bytes(b"" if spoil == "empty" else b"no model at all\n" * 9)
    assert call("build", model, "-o", tmp_path / "e").exit_code == 2
    assert media.left_behind(tmp_path) == ["m.onnx"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_full_disk_leaves_nothing(tmp_path, model, backend):
    """A process that may not write more than 600 bytes stands for a disk without room."""
    done = in_a_process(
        tmp_path,
        f"""
        import resource
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
        app(["build", {str(model)!r}, "-o", "engines", "--backend", {backend!r}])
        """,
    )
    assert done.wait() == 2
    errors = done.stderr.read()
    assert "cannot be written" in errors
    assert "Traceback" not in errors
    assert media.left_behind(tmp_path) == ["m.onnx"]


def test_ctrl_c_is_no_traceback_and_leaves_nothing(tmp_path, model):
    child = in_a_process(
        tmp_path,
        f"""
        import time, tosa_edge.builder.onnxruntime_builder as builder
        def wait(*arguments):
            print("building", flush=True)
            time.sleep(60)
        builder.optimise = wait
        app(["build", {str(model)!r}, "-o", "engines", "--backend", "onnxruntime"])
        """,
    )
    assert child.stdout.readline() == "building\n"
    began = time.monotonic()
    os.kill(child.pid, signal.SIGINT)
    assert child.wait(30) == 130
    assert time.monotonic() - began < 10
    assert "Traceback" not in child.stderr.read()
    assert media.left_behind(tmp_path) == ["m.onnx"]


def in_a_process(folder, code: str) -> subprocess.Popen:
    code = "import signal\nfrom tosa_edge.cli import app\n" + textwrap.dedent(code)
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], cwd=folder, stdout=pipe, stderr=pipe, text=True)


def complains(result, code: int, what: str, remedy: str) -> None:
    """Two lines at the end, after what was about to be done, and nothing on stdout."""
    assert result.exit_code == code, result.output
    *said, error, do = result.stderr.strip().splitlines()
    assert all(line.startswith("building ") for line in said)
    assert error.startswith("error: ")
    assert what in error
    assert do.startswith("do: ")
    assert remedy in do
    assert result.stdout == ""
