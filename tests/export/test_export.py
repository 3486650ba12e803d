import json
import os
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from tests.exported import exported
from tests.nets import TINY, random_image, tiny_checkpoint, tiny_pattern
from tosa_edge.engine.load import load_graph
from tosa_edge.errors import TosaEdgeError
from tosa_edge.export.folder import Variant, export_file, export_folder, export_graph, standard_patterns
from tosa_edge.export.plugin_form import plugin_nodes, to_plugin_form, to_quick_deployable_form
from tosa_edge.graph_info import KEY, GraphInfo
from tosa_edge.nn.tosa import Pattern
from tosa_edge.nn.weights import load_net
from tosa_edge.plugins import DOMAIN, PLUGIN_NAMESPACE


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def folder(checkpoint, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "tiny_model"
    export_folder(checkpoint, out, {"g1": tiny_pattern(1, query_stride=2)}, forms=("portable",))
    return out


def run(model, **inputs):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def assert_agrees(model, checkpoint, pattern, image, size=None):
    """ONNX Runtime against PyTorch, both against float64, with the selection PyTorch made."""
    outputs = run(model, image=image.numpy())
    with torch.no_grad():
        single = load_net(checkpoint, size, pattern)(image)
        double = load_net(checkpoint, size, pattern).double()(image)
    if pattern.layers:
        assert np.array_equal(outputs[1], single[1].numpy())
        single, double = single[0], double[0]
    error, noise = (np.sqrt(np.mean((x - double.numpy()) ** 2)) for x in (outputs[0], single.numpy()))
    assert error <= 2 * noise + np.finfo(np.float32).eps


@pytest.mark.parametrize(
    ("group", "selector"),
    [
        pytest.param(0, "learned", marks=pytest.mark.slow),
        (1, "learned"),
        (3, "previous"),
        pytest.param(1, "previous", marks=pytest.mark.slow),
        pytest.param(3, "learned", marks=pytest.mark.slow),
    ],
)
def test_the_graph_computes_what_torch_computes(checkpoint, group, selector):
    pattern = tiny_pattern(group, query_stride=2, selector=selector) if group else Pattern()
    model = exported(pattern, batch=2)
    onnx.checker.check_model(model, full_check=True)
    assert_agrees(model, checkpoint, pattern, random_image(2))


@pytest.mark.slow
@given(
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    keep=st.floats(0.01, 1.0),
    batch=st.integers(1, 3),
    group=st.integers(1, 3),
)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_size_keep_and_batch_exports(checkpoint, size, keep, batch, group):
    height, width = 14 * size[0], 14 * size[1]
    pattern = tiny_pattern(group, keep, query_stride=3)
    model = export_graph(checkpoint, pattern, size=(height, width), batch=batch)
    onnx.checker.check_model(model, full_check=True)
    shapes = {o.name: [d.dim_value for d in o.type.tensor_type.shape.dim] for o in model.graph.output}
    assert shapes["depth"] == [batch, height, width]
    assert shapes["kept"] == [batch, len(pattern.selections()), pattern.kept(size[0] * size[1])]
    assert_agrees(model, checkpoint, pattern, random_image(batch, TINY.at(height, width)), (height, width))


def test_the_contract_of_a_graph():
    model = exported(tiny_pattern(3))
    assert model.ir_version <= 10
    assert {o.domain: o.version for o in model.opset_import} == {"": 18, DOMAIN: 1}
    (image,) = model.graph.input
    assert image.name == "image"
    assert image.type.tensor_type.elem_type == TensorProto.UINT8
    kinds = {o.name: o.type.tensor_type.elem_type for o in model.graph.output}
    assert kinds == {"depth": TensorProto.FLOAT, "kept": TensorProto.INT32}
    info = GraphInfo.from_json({p.key: p.value for p in model.metadata_props}[KEY])
    assert (info.height, info.width, info.patch, info.kept, info.tokens) == (56, 84, 14, 12, 24)
    assert (info.selective_layers, info.selections, info.group, info.query_stride) == ((1, 2, 3), (0,), 3, 1)
    assert sorted(f.name for f in model.functions) == [
        "SelectiveAttention",
        "TokenGather",
        "TokenImportance",
        "TokenScatter",
    ]


def test_the_reuse_form_repeats_the_full_form():
    pattern, image = tiny_pattern(1, query_stride=2), random_image(2).numpy()
    depth, kept = run(exported(pattern, batch=2), image=image)
    reuse = exported(pattern, batch=2, form="reuse")
    assert "TokenImportance" not in {n.op_type for n in reuse.graph.node}
    (again,) = run(reuse, image=image, kept=kept)
    assert np.array_equal(depth, again)


@pytest.mark.slow
def test_group_3_runs_on_a_selection_of_group_1():
    image = random_image().numpy()
    full = exported(tiny_pattern(1, query_stride=2))
    coarse = exported(tiny_pattern(3, query_stride=2), form="reuse")
    made = GraphInfo.from_json(full.metadata_props[0].value).selections
    wanted = GraphInfo.from_json(coarse.metadata_props[0].value).selections
    _, kept = run(full, image=image)
    (depth,) = run(coarse, image=image, kept=kept[:, [made.index(layer) for layer in wanted]])
    _, expected = run(exported(tiny_pattern(3, query_stride=2)), image=image)
    # Both select after layer 0 from the same map, so both choose the same.
    assert np.array_equal(kept[:, 0], expected[:, 0])
    assert depth.shape == (1, 56, 84)


def test_the_plugin_form_leaves_tensorrt_no_choice():
    pattern = tiny_pattern(1)
    portable = exported(pattern)
    plugin = to_plugin_form(portable)
    nodes = [n for n in plugin.graph.node if n.domain == DOMAIN]
    assert len(nodes) == plugin_nodes(plugin) == 4 * 2
    assert plugin_nodes(portable) == 0
    assert len(plugin.functions) == 0
    for node in nodes:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        assert attributes["plugin_version"] == b"1"
        assert attributes["plugin_namespace"] == PLUGIN_NAMESPACE.encode()
    info = GraphInfo.from_json({p.key: p.value for p in plugin.metadata_props}[KEY])
    assert info == replace(GraphInfo.from_json(portable.metadata_props[0].value), form="plugin")


@pytest.mark.slow
def test_an_export_in_plugin_form_is_the_portable_one_in_that_form():
    assert exported(tiny_pattern(1), form="plugin") == to_plugin_form(exported(tiny_pattern(1)))


def test_the_quick_form_leaves_importance_to_tensorrt():
    portable = exported(tiny_pattern(1))
    made = to_quick_deployable_form(portable)
    assert [f.name for f in made.functions] == ["TokenImportance"]
    assert made.functions[0] == next(f for f in portable.functions if f.name == "TokenImportance")
    assert plugin_nodes(made) == 3 * 2
    for node in made.graph.node:
        if node.domain == DOMAIN:
            names = {a.name for a in node.attribute}
            assert ({"plugin_namespace", "aot"} <= names) == (node.op_type != "TokenImportance")


def test_half_precision_is_the_torch_model_in_half(checkpoint):
    model = exported(tiny_pattern(1), precision="fp16")
    onnx.checker.check_model(model, full_check=True)
    weights = [
        t for t in model.graph.initializer if t.name.startswith("weights.safetensors/") or "." in t.name
    ]
    assert {t.data_type for t in weights} == {TensorProto.FLOAT16}
    depth, kept = run(model, image=random_image().numpy())
    assert depth.dtype == np.float32
    # The same half-precision model in PyTorch, with the selection the graph made.
    net = load_net(checkpoint, None, tiny_pattern(1))
    with torch.no_grad():
        exact, _ = net.double()(random_image(), torch.from_numpy(kept))
        half, _ = load_net(checkpoint, None, tiny_pattern(1)).half()(random_image(), torch.from_numpy(kept))
    error, noise = (np.sqrt(np.mean((x - exact.numpy()) ** 2)) for x in (depth, half.numpy()))
    assert error <= 2 * noise


@pytest.mark.slow
def test_a_folder_is_graphs_over_one_weights_file(checkpoint, tmp_path):
    folder = tmp_path / "tiny_model"
    patterns = standard_patterns(TINY, 0.5, 2, "learned", 1.0)
    export_folder(checkpoint, folder, patterns, precisions=("fp32", "fp16"))
    names = {p.name for p in folder.iterdir()}
    expected = {"weights.safetensors", "model.json", "dense.onnx", "dense.fp16.onnx"}
    expected |= {f"{g}{r}{p}.onnx" for g in ("g1", "g3") for r in ("", ".reuse") for p in ("", ".fp16")}
    assert names == expected
    graphs = json.loads((folder / "model.json").read_text())["graphs"]
    assert {f"{name}.onnx" for name in graphs} == {n for n in names if n.endswith(".onnx")}
    weights = (folder / "weights.safetensors").stat().st_size
    for path in folder.glob("*.onnx"):
        assert path.stat().st_size < max(300_000, weights / 4)
        onnx.checker.check_model(str(path), full_check=True)
        ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    net = load_net(folder / "weights.safetensors", None, Pattern())
    (depth,) = run(load_graph(f"{folder}:dense").proto, image=random_image().numpy())
    with torch.no_grad():
        np.testing.assert_allclose(depth, net(random_image()).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lay", ["hard link", "symlink"])
def test_folders_load_as_package_managers_lay_them(folder, tmp_path, lay):
    store, linked = tmp_path / "store", tmp_path / "model"
    store.mkdir()
    linked.mkdir()
    for path in folder.iterdir():
        kept = store / path.name
        kept.write_bytes(path.read_bytes())
        (os.link if lay == "hard link" else os.symlink)(kept, linked / path.name)
    depth, kept = run(load_graph(f"{linked}:g1").proto, image=random_image().numpy())
    same, _ = run(load_graph(f"{folder}:g1").proto, image=random_image().numpy())
    assert np.array_equal(depth, same)


@pytest.mark.parametrize("damage", ["missing", "truncated", "another"])
def test_weights_that_are_not_the_graph_s_are_refused(folder, tmp_path, damage):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = tmp_path / "weights.safetensors"
    if damage == "missing":
        weights.unlink()
    else:
        data = bytearray(weights.read_bytes())
        weights.write_bytes(
            data[: len(data) // 2] if damage == "truncated" else data[:-1] + bytes([data[-1] ^ 1])
        )
    with pytest.raises(TosaEdgeError) as caught:
        load_graph(f"{tmp_path}:g1")
    assert "weights.safetensors" in caught.value.what + caught.value.remedy


def test_external_weights_cannot_point_outside_their_file(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    model = onnx.load(tmp_path / "g1.onnx", load_external_data=False)
    for entry in model.graph.initializer[-1].external_data:
        if entry.key == "offset":
            entry.value = str(10**9)
    (tmp_path / "g1.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(TosaEdgeError, match="points outside"):
        load_graph(f"{tmp_path}:g1")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"keep": 0.0}, "--keep 0"),
        ({"keep": 1.5}, "--keep 1.5"),
        ({"query_stride": 0}, "--query-stride 0"),
        ({"selector": "random"}, "--selector random"),
    ],
)
def test_impossible_patterns_are_refused_in_words(checkpoint, tmp_path, options, says):
    with pytest.raises(TosaEdgeError, match=says):
        export_file(checkpoint, tmp_path / "x.onnx", tiny_pattern(1, **{"keep": 0.5} | options))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"form": "reuse"}, "dense model has no reuse"),
        ({"batch": 0}, "--batch 0"),
        ({"precision": "int4"}, "int4"),
    ],
)
def test_impossible_graphs_are_refused_in_words(checkpoint, options, says):
    with pytest.raises(TosaEdgeError, match=says):
        export_graph(checkpoint, Pattern(), **options)


def test_a_folder_of_something_else_is_not_replaced(checkpoint, tmp_path):
    out = tmp_path / "photos"
    out.mkdir()
    (out / "holiday.jpg").write_bytes(b"dear")
    with pytest.raises(TosaEdgeError, match=r"holiday\.jpg"):
        export_folder(checkpoint, out, {"dense": Pattern()})
    assert (out / "holiday.jpg").read_bytes() == b"dear"
    assert [p.name for p in tmp_path.iterdir()] == ["photos"]


@pytest.mark.slow
def test_a_model_folder_is_replaced_whole(checkpoint, tmp_path):
    out = tmp_path / "model"
    export_folder(checkpoint, out, {"dense": Pattern(), "g1": tiny_pattern(1)}, forms=("portable",))
    export_folder(checkpoint, out, {"dense": Pattern()}, forms=("portable",))
    assert {p.name for p in out.iterdir()} == {"weights.safetensors", "model.json", "dense.onnx"}
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.slow
def test_a_folder_holds_smaller_sizes_over_the_same_weights(checkpoint, tmp_path):
    out = tmp_path / "model"
    smaller = (TINY.patch * 2, TINY.patch * 3)
    name, precisions = f"{smaller[0]}x{smaller[1]}", ("fp32", "fp16")
    others = {name: Variant(Pattern(), smaller)}
    export_folder(checkpoint, out, {"dense": Pattern()}, others=others, precisions=precisions)
    graph = load_graph(f"{out}:{name}")
    assert (graph.info.height, graph.info.width, graph.info.dense) == (*smaller, True)
    assert graph.info.weights_sha256 == load_graph(f"{out}:dense").info.weights_sha256
    assert load_graph(f"{out}:{name}.fp16").info.precision == "fp16"
    assert not (out / f"{name}.reuse.onnx").exists()
    image = torch.randint(0, 256, (1, *smaller, 3), dtype=torch.uint8)
    assert_agrees(graph.proto, checkpoint, Pattern(), image, smaller)
