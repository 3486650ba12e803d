"""Kernel file to C++ tables, without a compiler: what is in them, and what is refused."""

import re
import sys

import onnx
import pytest

from tosa_edge.errors import TosaEdgeError
from tosa_edge.find_model import find_graph
from tosa_edge.plugins import OPERATORS, embed, kernel_file
from tosa_edge.plugins.symbolic_sizes import Axis, size, text_of
from tosa_edge.plugins.tables import type_of


def entry(operator="TokenScatter", **shape):
    return {
        "operator": operator,
        "sm": 87,
        "precision": "fp16",
        "shape": {"width": 384, **shape},
        "step": 0,
        "function": "token_scatter_kernel",
        "parameters": [["x", "*fp16"], ["out", "*fp16"], ["kept", "i32"], ["global_scratch", "*null"]],
        "grid": [["tokens", 1], ["batch", 1]],
        "threads": 64,
        "shared": 0,
    }


def file(*entries):
    return kernel_file.write(
        ((one, b"cubin of " + str(i).encode()) for i, one in enumerate(entries)), "triton"
    )[0]


def test_tables_and_cubins_are_those_of_the_file(tmp_path):
    assert embed.embed(file(entry(in_place=1), entry(in_place=0)), tmp_path) == 2
    text = (tmp_path / "tosa_tables.inc").read_text()
    for operator in OPERATORS:
        assert f'{{"{operator.name}",' in text
    # Not the kernel that writes into its input: TensorRT is not asked for that.
    assert "kKernelCount = 1;" in text
    assert '{3, 87, Type::half, 0, "token_scatter_kernel", 64, 0, 16, {1, {{width, 384}}},' in text
    assert (
        "{4, {{Source::input, 0}, {Source::output, 0}, {Source::size, kept}, {Source::nothing, 0}}}" in text
    )
    cubins = (tmp_path / "tosa.cubins").read_bytes()
    assert cubins[16:].startswith(b"cubin of 1")


def test_every_size_has_one_place(tmp_path):
    embed.embed(file(entry()), tmp_path)
    text = (tmp_path / "tosa_tables.inc").read_text()
    (names,) = re.findall(r"^enum \{ (.*) \};$", text, re.MULTILINE)
    assert len(set(names.split(", "))) == len(names.split(", ")) <= 16


def test_a_file_without_a_kernel_for_it_is_refused(tmp_path):
    with pytest.raises(TosaEdgeError, match="make kernels"):
        embed.embed(file(entry(in_place=1)), tmp_path)
    assert not list(tmp_path.iterdir())


def test_no_file_is_a_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["embed", str(tmp_path / "none.kernels")])
    with pytest.raises(TosaEdgeError, match="make kernels"):
        embed.main()


@pytest.mark.parametrize("variant", ["g1", "g1.fp16", "g3", "g3.fp16"])
def test_the_types_in_the_tables_are_those_of_the_graphs(variant):
    """The host demands them of TensorRT, which in a strongly typed network converts nothing."""
    graph = onnx.load(find_graph("tosa_depth_s").parent / f"{variant}.onnx", load_external_data=False)
    graph = onnx.shape_inference.infer_shapes(graph).graph
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.input)}
    types |= {weight.name: weight.data_type for weight in graph.initializer}
    nodes = [node for node in graph.node if node.domain == "tosa"]
    assert {node.op_type for node in nodes} == {operator.name for operator in OPERATORS}
    for node in nodes:
        operator = next(o for o in OPERATORS if o.name == node.op_type)
        assert types[node.input[0]] in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
        for name, tensor in zip(
            (*operator.inputs, *operator.outputs), (*node.input, *node.output), strict=True
        ):
            table = {"Type::int32": onnx.TensorProto.INT32, "Type::single": onnx.TensorProto.FLOAT}
            assert types[tensor] == table.get(type_of(name), types[node.input[0]]), name


def test_rules_print_themselves():
    assert text_of(-(-size("tokens") // size("query_stride"))) == "-floor_div(-s[tokens], s[query_stride])"
    assert text_of(2 * (size("heads") + 1)) == "(s[heads] + 1) * 2"
    assert (size("a") * size("b")).sizes == {"a", "b"}
    assert Axis(0, 2) // 3 == Axis(0, 2, 3)
