"""`tosa-edge export`: what it writes, and what it says when it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest
from typer.testing import CliRunner

from tests.media import left_behind
from tests.nets import TINY, tiny_checkpoint
from tests.refusals import refused
from tosa_edge.cli import app
from tosa_edge.engine.load import load_graph
from tosa_edge.export.attention_form import attentions


@pytest.fixture
def checkpoint(tmp_path):
    return tiny_checkpoint(tmp_path)


def call(*arguments):
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


def test_one_file(tmp_path, checkpoint):
    out = tmp_path / "new" / "fast.onnx"
    result = call(checkpoint, "-o", out, "--size", "42x70", "--keep", 0.4, "--group", 3, "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert [graph["size"] for graph in told.pop("graphs")] == [[42, 70]]
    assert told == {
        "model": str(out),
        "form": "portable",
        "size": [42, 70],
        "tokens": 15,
        "kept": 6,
        "selections": [0],
    }
    info = load_graph(str(out)).info
    assert (info.height, info.width, info.keep, info.group) == (42, 70, 0.4, 3)
    assert [p.name for p in out.parent.iterdir()] == ["fast.onnx"]


@pytest.mark.slow
def test_a_folder_and_its_variants(tmp_path, checkpoint):
    out = tmp_path / "robot"
    result = call(checkpoint, "-o", out, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["selections"] == [0, 2]
    assert load_graph(str(out)).label == "robot:g1"
    assert load_graph(f"{out}:g3.reuse").info.form == "reuse"
    assert not list(out.glob("*x*.onnx"))
    assert call(checkpoint, "-o", out, "--smaller", "28x42, 14x28", "--force").exit_code == 0
    assert (load_graph(f"{out}:28x42").info.width, load_graph(f"{out}:14x28").info.width) == (42, 28)
    fast = ["--variant", "fast=28x42 windows=0.2,0.4:1-3", "--variant", "slow=windows=0.5,0.3:2-3"]
    assert call(checkpoint, "-o", out, *fast, "--default", "fast", "--force").exit_code == 0
    usual, slow = load_graph(str(out)), load_graph(f"{out}:slow")
    assert (usual.label, usual.info.height, [way.layers for way in usual.info.ways]) == (
        "robot:fast",
        28,
        [(1, 2, 3)],
    )
    assert (slow.info.height, slow.info.ways[0].whole) == (TINY.height, 0.5)
    # A model folder is a checkpoint too.
    again = call(out, "-o", tmp_path / "dense.onnx", "--dense", "--precision", "fp16")
    assert again.exit_code == 0, again.stderr
    assert load_graph(str(tmp_path / "dense.onnx")).info.precision == "fp16"


@pytest.mark.slow
def test_attention_as_one_operator(tmp_path, checkpoint):
    out = tmp_path / "one.fp16.attn.onnx"
    result = call(checkpoint, "-o", out, "--precision", "fp16", "--attention")
    assert result.exit_code == 0, result.stderr
    graph = load_graph(str(out))
    assert (graph.info.precision, graph.info.form, attentions(graph.proto)) == ("fp16", "portable", 4)
    folder = tmp_path / "robot"
    result = call(checkpoint, "-o", folder, "--dense", "--precision", "fp16", "--attention")
    assert result.exit_code == 0, result.stderr
    assert {p.name for p in folder.glob("*.onnx")} == {
        "dense.onnx",
        "dense.fp16.onnx",
        "dense.fp16.attn.onnx",
    }
    assert attentions(load_graph(f"{folder}:dense.fp16.attn").proto) == 4
    assert attentions(load_graph(f"{folder}:dense.fp16").proto) == 0


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--size", "250x336"], "height 250 is not a multiple of the patch 14"),
        (["--size", "large"], "--size large"),
        (["--smaller", "28x42"], "--smaller is for model folders"),
        (["--keep", "0"], "--keep 0"),
        (["--keep", "1.5"], "--keep 1.5"),
        (["--batch", "0"], "--batch 0"),
        (["--group", "9"], "--group 9"),
        (["--query-stride", "0"], "--query-stride 0"),
        (["--selector", "random"], "--selector random"),
        (["--form", "engine"], "--form engine"),
        (["--precision", "int8"], "--precision int8"),
        (["--dense", "--form", "plugin"], "dense model has no plugin form"),
        (["--attention"], "--attention is for half precision in a portable form, and this is fp32"),
        (["--attention", "--form", "plugin", "--precision", "fp16"], "and this is in plugin form"),
    ],
)
def test_what_cannot_be_exported_is_said_in_two_lines(tmp_path, checkpoint, arguments, what):
    before = left_behind(tmp_path)
    result = call(checkpoint, "-o", tmp_path / "x.onnx", *arguments)
    refused(result, what)
    assert left_behind(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--variant", "Fast=28x42"], "--variant Fast=28x42 is not NAME="),
        (["--variant", "../fast=28x42"], "--variant ../fast=28x42 is not NAME="),
        (["--variant", "fast="], "--variant fast= is not NAME="),
        (["--variant", "g1=28x42"], "has a variant g1 already"),
        (["--variant", "fast=windows=2,0:1-3"], "windows"),
        (["--default", "fast"], "--default fast is none of the variants"),
    ],
)
def test_variants_that_a_folder_cannot_have(tmp_path, checkpoint, arguments, what):
    result = call(checkpoint, "-o", tmp_path / "robot", *arguments)
    refused(result, what)
    assert not (tmp_path / "robot").exists()


@pytest.mark.parametrize("spoil", ["missing", "truncated", "a picture"])
def test_bad_checkpoints(tmp_path, checkpoint, spoil):
    data = checkpoint.read_bytes()
    checkpoint.unlink()
    if spoil != "missing":
        checkpoint.write_bytes(data[: len(data) // 2] if spoil == "truncated" else b"\x89PNG\r\n\x1a\n" * 9)
    before = left_behind(tmp_path)
    result = call(checkpoint, "-o", tmp_path / "x.onnx")
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 2
    assert left_behind(tmp_path) == before


@pytest.mark.parametrize("place", ["file/x.onnx", "/proc/x.onnx", "file/folder"])
def test_a_place_that_cannot_be_written(tmp_path, checkpoint, place):
    (tmp_path / "file").write_text("a file")
    before = left_behind(tmp_path)
    result = call(checkpoint, "-o", tmp_path / place)
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr
    assert left_behind(tmp_path) == before


@pytest.mark.slow
@pytest.mark.parametrize("out", ["x.onnx", "folder"])
def test_a_full_disk_leaves_nothing(tmp_path, checkpoint, out):
    """A process that may not write more than 20 KB stands for a disk without room."""
    before = left_behind(tmp_path)
    child = f"""
        import resource, signal
        from tosa_edge.cli import app
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20480, 20480))
        app(["export", {str(checkpoint)!r}, "-o", {out!r}, "--dense"])
    """
    command = [sys.executable, "-c", textwrap.dedent(child)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert left_behind(tmp_path) == before
