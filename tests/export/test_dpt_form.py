"""Models with another's head, in every way and form that ours have."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from typer.testing import CliRunner

from tests.exported import exported
from tests.nets import TINY_DPT, random_image, tiny_checkpoint
from tests.nn import official
from tests.refusals import refusal
from tosa_edge.cli import app
from tosa_edge.engine import TENSORRT_RTX
from tosa_edge.engine.load import load_graph
from tosa_edge.engine.tensorrt_builder import build_serialized_engine
from tosa_edge.export.attention_form import attentions, to_attention_form
from tosa_edge.export.metadata import info_of
from tosa_edge.graph import LoadedGraph
from tosa_edge.nn.tosa import Pattern
from tosa_edge.nn.weights import load_net
from tosa_edge.row_sharing import parse_ways

METRIC = replace(TINY_DPT, output="metric_depth", max_depth=20.0)
G1 = Pattern((1, 3), 0.5, 2, "previous", 8.0)
PATTERNS = {"dense": Pattern(), "g1": G1, "ways": Pattern(ways=parse_ways("windows=0.3,0.4:1-3/2"))}


def run(model, **inputs):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def distances(depth, checkpoint, pattern, image, half=False):
    """Of the graph and of PyTorch in the same precision, each from double precision."""
    with torch.no_grad():
        net = load_net(checkpoint, pattern=pattern)
        double = load_net(checkpoint, pattern=pattern).double()
        single, exact = (n(image) for n in (net.half() if half else net, double))
    if not torch.is_tensor(exact):
        single, exact = single[0], exact[0]
    return [float(np.sqrt(np.mean((x - exact.numpy()) ** 2))) for x in (depth, single.float().numpy())]


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("g1", METRIC),
        pytest.param("dense", TINY_DPT, marks=pytest.mark.slow),
        pytest.param("ways", TINY_DPT, marks=pytest.mark.slow),
    ],
)
def test_the_graph_computes_what_torch_computes(tmp_path, name, config):
    pattern, image = PATTERNS[name], random_image(2, config)
    model = exported(pattern, config, batch=2)
    onnx.checker.check_model(model, full_check=True)
    assert {o.version for o in model.opset_import if not o.domain} == {18}
    info = info_of(model)
    assert (info.output, info.height, info.width) == (config.output, 56, 84)
    depth = run(model, image=image.numpy())[0]
    assert depth.shape == (2, 56, 84)
    error, noise = distances(depth, tiny_checkpoint(tmp_path, config), pattern, image)
    assert error <= 2 * noise + np.finfo(np.float32).eps * np.abs(depth).max()


@pytest.mark.slow
def test_the_reuse_form_repeats_the_full_form():
    image = random_image(1, TINY_DPT).numpy()
    depth, kept = run(exported(G1, TINY_DPT), image=image)
    (again,) = run(exported(G1, TINY_DPT, form="reuse"), image=image, kept=kept)
    assert np.array_equal(depth, again)


@pytest.mark.slow
def test_half_precision_and_attention_as_one_operator(tmp_path):
    image, checkpoint = random_image(1, METRIC), tiny_checkpoint(tmp_path, METRIC)
    model = exported(Pattern(), METRIC, precision="fp16")
    depth = run(model, image=image.numpy())[0]
    assert depth.dtype == np.float32
    error, noise = distances(depth, checkpoint, Pattern(), image, half=True)
    assert error <= 2 * noise
    made = to_attention_form(model)
    onnx.checker.check_model(made, full_check=True)
    assert attentions(made) == 4


@pytest.mark.slow
@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_tensorrt_rtx_builds_it(name, precision):
    trt = pytest.importorskip("tensorrt_rtx")
    model = exported(PATTERNS[name], TINY_DPT, precision=precision)
    plan = build_serialized_engine(trt, TENSORRT_RTX, LoadedGraph(model, info_of(model), name))
    assert plan.settings["network.plugins"] == 0


def call(*arguments) -> dict:
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == 0, done.output
    return {**json.loads(done.stdout), "said": done.stderr}


@pytest.fixture
def pth(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(official.depth_anything(side=37), "depth_anything_v2_vits.pth")
    return "depth_anything_v2_vits.pth"


@pytest.mark.slow
def test_from_a_file_of_others_to_depth(pth, tmp_path):
    """As a user would: export, calibrate, build, validate, run."""
    told = call("export", pth, "-o", "dav2", "--size", "56x84", "--max-depth", 20)
    assert (told["size"], told["selections"]) == ([56, 84], [])  # of four layers the head reads each
    assert "Depth Anything V2 128 wide (by its name), metric to 20 m (as told)" in told["said"]
    assert load_graph("dav2:dense").info.output == "metric_depth"
    assert "no trained selectors" in refusal("export", "dav2", "-o", "x.onnx", "--selector", "learned")
    assert "says itself what it is" in refusal("export", "dav2", "-o", "x.onnx", "--max-depth", "80")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for seed in range(4):
        cv2.imwrite(str(pictures / f"{seed}.png"), random_image(1, TINY_DPT, seed)[0].numpy())
    int8 = call("calibrate", "dav2:dense", "--data", pictures, "-o", "int8.onnx")
    assert load_graph(int8["model"]).info.precision == "int8"
    engine = call("build", "dav2:dense", "--backend", "onnxruntime", "-o", "engines", "--no-validate")[
        "engine"
    ]
    assert call("validate", engine)["passed"]
    assert call("run", pictures, "--engine", engine)["frames"] == 4
    assert len(list((tmp_path / "run").rglob("*.depth.png"))) == 4


def test_what_a_file_of_others_is_refused_for(pth):
    assert "not a multiple of the patch 14" in refusal("export", pth, "-o", "x.onnx", "--size", "500x518")
    assert "no trained selectors" in refusal("export", pth, "-o", "x.onnx", "--selector", "learned")
    assert "--family midas is not known" in refusal("export", pth, "-o", "x.onnx", "--family", "midas")
    assert "--group 4 is not possible" in refusal("export", pth, "-o", "x.onnx", "--group", "4")
