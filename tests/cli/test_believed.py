"""A graph, its description and its manifest have to say the same; weights have to be numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from tests import media, tiny
from tests.nets import tiny_checkpoint
from tests.refusals import refused
from tosa_edge.cli import app
from tosa_edge.graph_info import KEY


def call(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def wide(made: onnx.ModelProto) -> None:
    """Depth as [1, 4, 4, 3], by graph and declaration."""
    made.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 4, 4, 3), np.float32), "wide"))
    made.graph.node[2].output[0] = "plain"
    made.graph.node.append(helper.make_node("Identity", ["wide"], ["depth"]))
    made.graph.output[0].CopyFrom(helper.make_tensor_value_info("depth", TensorProto.FLOAT, [1, 4, 4, 3]))


def described(**changes: object):
    def change(made: onnx.ModelProto) -> None:
        entry = next(p for p in made.metadata_props if p.key == KEY)
        entry.value = json.dumps({**json.loads(entry.value), **changes})

    return change


def port(place: str, index: int, value: onnx.ValueInfoProto):
    return lambda made: getattr(made.graph, place)[index].CopyFrom(value)


def weight(value: float):
    return lambda made: made.graph.initializer[1].CopyFrom(
        numpy_helper.from_array(np.array([255, value], np.float32)[1:], "most")
    )


def value(name: str, kind: int, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


H, W = tiny.HEIGHT, tiny.WIDTH
LIES = {
    "depth [1, 4, 4, 3]": (wide, "has the output depth as float32 [1, 4, 4, 3]"),
    "another height": (described(height=56, keep=1 / 6), "has the input image as uint8 [1, 28, 42, 3]"),
    "another batch": (described(batch=2), "[2, 28, 42, 3]"),
    "a false keep": (described(keep=0.9), "kept is 2 of 6 tokens, and keep is 0.9"),
    "a false kept": (described(kept=3, keep=0.5), "has the output kept as int32 [1, 2, 2]"),
    "another count of selections": (described(selections=[0]), "[1, 1, 2]"),
    "dense, it says": (described(selective_layers=[], selections=[], kept=0, keep=1), "has an output 'kept'"),
    "reuse, it says": (described(form="reuse"), "has no input 'kept'"),
    "float pictures": (port("input", 0, value("image", 1, 1, H, W, 3)), "image as float32"),
    "any batch": (port("input", 0, value("image", 2, "N", H, W, 3)), "[N, 28, 42, 3]"),
    "another name": (port("input", 0, value("picture", 2, 1, H, W, 3)), "has no input 'image'"),
    "half depth": (port("output", 0, value("depth", 10, 1, H, W)), "depth as float16"),
    "wide kept": (port("output", 1, value("kept", 7, 1, 2, 2)), "kept as int64"),
    "a weight that is no number": (weight(np.nan), "the weight 'most'"),
}


def spoilt(path: Path, change, **about: object) -> Path:
    made = tiny.model(tiny.selective_info(**about))
    change(made)
    onnx.save(made, path)
    return path


@pytest.mark.parametrize("name", LIES)
@pytest.mark.parametrize("verb", ["run", "build", "inspect"])
def test_a_graph_that_is_not_what_it_says_is_refused_at_load(tmp_path, name, verb):
    change, what = LIES[name]
    model, picture = spoilt(tmp_path / "m.onnx", change), media.write_picture(tmp_path / "p.png")
    words = {
        "run": ("run", "--source", picture, "--out", tmp_path / "o", "--engine", model),
        "build": ("build", model, "--backend", "onnxruntime", "-o", tmp_path / "e"),
        "inspect": ("inspect", model),
    }[verb]
    refused(call(*words), what)
    assert media.left_behind(tmp_path) == ["m.onnx", "p.png"]


@pytest.mark.parametrize("verb", ["bench", "evaluate", "validate", "calibrate"])
def test_by_every_verb_that_loads_one(tmp_path, verb):
    model = spoilt(tmp_path / "m.onnx", wide)
    media.write_picture(tmp_path / "p.jpg")
    import cv2

    cv2.imwrite(str(tmp_path / "p.png"), np.full((60, 90), 2000, np.uint16))
    more = {
        "bench": (),
        "evaluate": ("--data", tmp_path),
        "validate": (),
        "calibrate": ("--data", tmp_path, "-o", tmp_path.parent / "q.onnx"),
    }[verb]
    refused(call(verb, model, *more), "has the output depth as float32 [1, 4, 4, 3]")


def test_what_comes_out_is_held_to_what_was_declared(tmp_path):
    """ONNX Runtime does not hold a graph to the shape that it declares."""
    made = tiny.model()
    made.graph.initializer.append(numpy_helper.from_array(np.array([1, H * W, 1], np.int64), "other"))
    made.graph.node[2].output[0] = "plain"
    # Of a shape that is only known when it runs.
    made.graph.node.append(helper.make_node("Identity", ["other"], ["hidden"]))
    made.graph.node.append(helper.make_node("Reshape", ["plain", "hidden"], ["depth"]))
    onnx.save(made, tmp_path / "m.onnx")
    picture = media.write_picture(tmp_path / "p.png")
    result = call("run", "--source", picture, "--out", tmp_path / "o", "--engine", tmp_path / "m.onnx")
    assert result.exit_code == 2, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert len(result.stderr.strip().splitlines()) == 2


@pytest.mark.parametrize("verb", ["inspect", "bench", "run", "validate"])
@pytest.mark.parametrize(
    ("field", "lie", "what"),
    [
        ("keep", 0.9, "keep is 0.9, and its graph says 0.333"),
        ("query_stride", 4, "query_stride is 4, and its graph says 1"),
        ("group", 3, "group is 3"),
    ],
)
def test_a_false_manifest_is_said_to_be_false(tmp_path, verb, field, lie, what):
    model, out = tiny.save(tmp_path / "m.onnx", tiny.selective_info()), tmp_path / "e.onnx"
    assert call("build", model, "--backend", "onnxruntime", "--no-validate", "-o", out).exit_code == 0
    manifest = json.loads((tmp_path / "e.onnx.json").read_text())
    manifest[field] = lie
    (tmp_path / "e.onnx.json").write_text(json.dumps(manifest))
    picture = media.write_picture(tmp_path / "p.png")
    words = ("run", "--source", picture, "--no-files", "--engine") if verb == "run" else (verb,)
    refused(call(*words, out), what)


def test_a_manifest_that_is_false_throughout_is_held_to_the_engine(tmp_path):
    model, out = tiny.save(tmp_path / "m.onnx", tiny.selective_info()), tmp_path / "e.onnx"
    assert call("build", model, "--backend", "onnxruntime", "--no-validate", "-o", out).exit_code == 0
    manifest = json.loads((tmp_path / "e.onnx.json").read_text())
    for place in (manifest, manifest["graph"]):
        place["keep"] = 0.4
    (tmp_path / "e.onnx.json").write_text(json.dumps(manifest))
    refused(call("inspect", out), "keep is 0.4, and the engine itself says 0.333")


def test_a_checkpoint_with_nan_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    from tosa_edge.nn.weights import CONFIG_KEY

    path = tiny_checkpoint(tmp_path)
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    assert CONFIG_KEY in metadata
    tensors = load_file(path)
    tensors["encoder.cls_token"][0, 0, 3] = float("nan")
    save_file(tensors, path, metadata)
    before = media.left_behind(tmp_path)
    refused(call("export", path, "-o", tmp_path / "x.onnx"), "the weight 'encoder.cls_token'")
    refused(call("export", path, "-o", tmp_path / "folder"), "holds NaN or infinity")
    assert media.left_behind(tmp_path) == before


def test_training_that_has_left_half_precision_saves_nothing(tmp_path):
    import torch

    from tests.nets import tiny_net
    from tosa_edge.errors import TosaEdgeError
    from tosa_edge.nn.weights import save_net

    net = tiny_net()
    with torch.no_grad():
        net.encoder.cls_token[0, 0, 0] = 1e6
    with pytest.raises(TosaEdgeError, match="NaN or infinity"):
        save_net(net, tmp_path / "w.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("raw", [True, False])
def test_which_weights_are_numbers(kind, raw):
    from tosa_edge.finite import is_finite

    def tensor(*values: float) -> TensorProto:
        made = numpy_helper.from_array(np.array(values, kind), "w")
        if raw:
            return made
        return helper.make_tensor("w", made.data_type, [len(values)], np.array(values, kind))

    top = float(np.finfo(kind).max)
    assert is_finite(tensor(0, -0.0, top, -top, float(np.finfo(kind).tiny)))
    assert is_finite(tensor())
    assert is_finite(tensor(-np.inf))  # a mask
    assert not is_finite(tensor(np.nan))
    assert not is_finite(tensor(1, np.inf))
    assert not is_finite(tensor(*[0] * 300_000, np.nan))


def test_a_dense_graph_keeps_nothing():
    with pytest.raises(ValueError, match="selects tokens"):
        replace(tiny.info(), keep=0.5).check()
