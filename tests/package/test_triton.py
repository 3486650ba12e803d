"""The repository for Triton, held to Triton's own schema and to the graphs in it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from typer.testing import CliRunner

from tests import tiny
from tests.exported import exported
from tests.nets import tiny_pattern
from tosa_edge.cli import app
from tosa_edge.engine.load import load_graph
from tosa_edge.errors import TosaEdgeError
from tosa_edge.graph import graph_from_bytes
from tosa_edge.interface import Port, ports_of
from tosa_edge.package.any_batch import for_any_batch
from tosa_edge.package.options import Options
from tosa_edge.package.triton import model_name
from tosa_edge.package.write import write_package

DTYPES = {"TYPE_UINT8": "uint8", "TYPE_INT32": "int32", "TYPE_FP32": "float32"}


@pytest.fixture(scope="module")
def schema():
    """Triton's own."""
    return pytest.importorskip(
        "tritonclient.grpc.model_config_pb2", reason="not installed here: pip install 'tritonclient[grpc]'"
    )


def parsed(schema, path: Path):
    from google.protobuf import text_format

    return text_format.Parse(path.read_text(), schema.ModelConfig())


def ports_in(schema, tensors) -> list[Port]:
    return [Port(t.name, DTYPES[schema.DataType.Name(t.data_type)], tuple(t.dims)) for t in tensors]


def check(schema, folder: Path, most: int, graph: Path) -> None:
    """That a configuration is of this graph: names, types, shapes, warm-up."""
    config, proto = parsed(schema, folder / "config.pbtxt"), onnx.load(graph)
    assert config.name == folder.name
    assert config.max_batch_size == most
    skipped = 1 if most else 0
    for said, values in ((config.input, proto.graph.input), (config.output, proto.graph.output)):
        there = [Port(p.name, p.dtype, p.shape[skipped:]) for p in ports_of(values)]
        assert ports_in(schema, said) == there
    for warmup in config.model_warmup:
        warmed = [
            (name, schema.DataType.Name(i.data_type), list(i.dims)) for name, i in warmup.inputs.items()
        ]
        said = [(i.name, schema.DataType.Name(i.data_type), list(i.dims)) for i in config.input]
        assert sorted(warmed) == sorted(said)
    assert sorted(w.batch_size for w in config.model_warmup) == (sorted({1, most}) if most else [0])
    assert config.HasField("dynamic_batching") == bool(most)


@pytest.fixture
def model(tmp_path) -> Path:
    return tiny.save(tmp_path / "m.onnx", tiny.selective_info())


def test_the_command_writes_what_triton_reads(tmp_path, model, schema):
    asked = [
        "package",
        str(model),
        "--for",
        "triton",
        "-o",
        str(tmp_path / "r"),
        "--instances",
        "2",
        "--json",
    ]
    ended = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    names = {str(Path(name).relative_to(tmp_path / "r")) for name in json.loads(ended.stdout)["files"]}
    assert names == {
        "README.md",
        "onnxruntime/m/config.pbtxt",
        "onnxruntime/m/1/model.onnx",
        "tensorrt/m/config.pbtxt",
        "tensorrt/m.onnx",
        "tensorrt/build_plan.sh",
    }
    for host, kind in (("onnxruntime", "KIND_AUTO"), ("tensorrt", "KIND_GPU")):
        check(schema, tmp_path / "r" / host / "m", 8, tmp_path / "r/onnxruntime/m/1/model.onnx")
        config = parsed(schema, tmp_path / "r" / host / "m/config.pbtxt")
        (group,) = config.instance_group
        assert (group.count, schema.ModelInstanceGroup.Kind.Name(group.kind)) == (2, kind)
        assert config.backend == host
        assert list(config.dynamic_batching.preferred_batch_size) == [8]
    assert CliRunner().invoke(app, asked).exit_code == 2, "what is there stays"
    assert "nothing for" in CliRunner().invoke(app, ["package", str(model), "--for", "x", "-o", "y"]).output


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: setattr(graph.input[0], "name", "picture"),
        lambda graph: setattr(graph.output[0].type.tensor_type, "elem_type", onnx.TensorProto.FLOAT16),
        lambda graph: setattr(graph.input[0].type.tensor_type.shape.dim[1], "dim_value", 56),
        lambda graph: graph.output.pop(),
    ],
    ids=["name", "type", "shape", "output"],
)
def test_a_changed_graph_is_noticed(tmp_path, model, schema, change):
    write_package("triton", str(model), tmp_path / "r", Options())
    place = tmp_path / "r/onnxruntime/m"
    changed = onnx.load(place / "1/model.onnx")
    change(changed.graph)
    onnx.save(changed, tmp_path / "changed.onnx")
    check(schema, place, 8, place / "1/model.onnx")
    with pytest.raises(AssertionError):
        check(schema, place, 8, tmp_path / "changed.onnx")


@pytest.mark.parametrize("form", ["portable", "reuse"])
def test_any_number_of_pictures_gives_what_each_gives(form):
    """Of a real export: its class token, its query rows and its resizing are per picture."""
    graph = graph_from_bytes(exported(tiny_pattern(1), form=form).SerializeToString(), Path("tiny.onnx"))
    made = for_any_batch(graph)
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    alone = onnxruntime.InferenceSession(graph.bytes(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    info = graph.info
    feeds = {"image": rng.integers(0, 256, (5, info.height, info.width, 3)).astype(np.uint8)}
    if form == "reuse":
        kept = [np.sort(rng.permutation(info.tokens)[: info.kept]) for _ in range(5 * len(info.selections))]
        feeds["kept"] = np.array(kept, np.int32).reshape(5, -1, info.kept)
    together = session.run(None, feeds)
    for index in range(5):
        for found, wanted in zip(
            together, alone.run(None, {n: v[index : index + 1] for n, v in feeds.items()}), strict=True
        ):
            np.testing.assert_allclose(found[index], wanted[0], rtol=1e-3, atol=1e-4)


def test_what_cannot_be_made_so_is_refused_and_served_as_it_is(tmp_path, schema):
    several = tiny.save(tmp_path / "b4.onnx", tiny.info(batch=4))
    with pytest.raises(TosaEdgeError, match="for 4 pictures at once"):
        write_package("triton", str(several), tmp_path / "r", Options())
    assert not (tmp_path / "r").exists()
    write_package("triton", str(several), tmp_path / "r", Options(most=0))
    check(schema, tmp_path / "r/onnxruntime/b4", 0, several)
    fixed = tiny.model()
    # Adds a picture of its own to what comes in: no batch but one.
    fixed.graph.initializer.append(onnx.numpy_helper.from_array(np.eye(1, dtype=np.float32)[None], "mine"))
    fixed.graph.node.append(onnx.helper.make_node("Slice", ["d", "zero", "one"], ["depth"]))
    fixed.graph.node[2].output[0] = "d"
    for name, value in (("zero", 0), ("one", 1)):
        fixed.graph.initializer.append(onnx.numpy_helper.from_array(np.array([value], np.int64), name))
    onnx.save(fixed, tmp_path / "fixed.onnx")
    with pytest.raises(TosaEdgeError, match="cannot be made to take any number"):
        for_any_batch(load_graph(str(tmp_path / "fixed.onnx")))


def test_a_plugin_library_comes_along(tmp_path, schema):
    pytest.importorskip("onnx_graphsurgeon", reason="not installed here: pip install 'tosa-edge[export]'")
    graph = tmp_path / "g.onnx"
    graph.write_bytes(exported(tiny_pattern(1)).SerializeToString())
    library = tmp_path / "libtosa_edge_plugins.so"
    library.write_bytes(b"\x7fELF")
    write_package("triton", str(graph), tmp_path / "r", Options(plugin=library))
    assert (tmp_path / "r/tensorrt/plugins" / library.name).read_bytes() == b"\x7fELF"
    script = tmp_path / "r/tensorrt/build_plan.sh"
    assert f"--dynamicPlugins=plugins/{library.name}" in script.read_text()
    assert "plugins=/models/plugins/libtosa_edge_plugins.so" in (tmp_path / "r/README.md").read_text()
    assert not onnx.load(tmp_path / "r/tensorrt/g.onnx").functions, "the plugin form has no bodies"
    assert onnx.load(tmp_path / "r/onnxruntime/g/1/model.onnx").functions


def test_the_script_asks_trtexec_for_these_shapes(tmp_path, model):
    write_package("triton", str(model), tmp_path / "r", Options(most=4))
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "trtexec").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tools / "trtexec").chmod(0o755)
    path = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    told = subprocess.run(
        [str(tmp_path / "r/tensorrt/build_plan.sh")], env=path, capture_output=True, text=True, check=True
    ).stdout.split()
    assert told == [
        "--onnx=m.onnx",
        "--stronglyTyped",
        "--minShapes=image:1x28x42x3",
        "--optShapes=image:4x28x42x3",
        "--maxShapes=image:4x28x42x3",
        "--saveEngine=m/1/model.plan",
    ]


def test_names_are_fit_for_addresses():
    assert model_name("tosa_depth_s:g1") == "tosa_depth_s_g1"
    assert model_name("a b/c") == "a_b_c"
