"""The plugins that TensorRT compiles into an engine, with a stand-in for TensorRT: its libraries want a GPU.

What is asserted of the functions is what NVIDIA's own Python behind `tensorrt.plugin` asks of them.
"""

import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import get_args, get_origin

import numpy as np
import pytest

from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.plugins import SELECTIVE_ATTENTION, quick_deployable

BATCH, TOKENS, KEPT, WIDTH = 2, 130, 70, 384
ROW = (WIDTH,)
SHAPES = {
    "TokenGather": [(BATCH, TOKENS, WIDTH), (BATCH, KEPT), ROW, ROW],
    "SelectiveAttention": [(BATCH, KEPT, 3 * WIDTH)],
    "TokenScatter": [(BATCH, TOKENS, WIDTH), (BATCH, KEPT), (BATCH, KEPT, WIDTH), (BATCH, KEPT, WIDTH), ROW],
}
VALUES = {"epsilon": 1e-6, "num_heads": 6, "scale": 0.125}
GRIDS = {"TokenGather": (70, 2, 1), "SelectiveAttention": (2, 6, 2), "TokenScatter": (130, 2, 1)}


class Desc(SimpleNamespace):
    """A tensor as TensorRT describes it."""


class Params(SimpleNamespace):
    """How a kernel is launched."""


class Exprs(list):
    """Further arguments of a kernel."""

    def __init__(self, count):
        super().__init__([None] * count)


class FakeTensorRT(ModuleType):
    """As far as it is asked, with the functions it was given."""

    __version__, float16, float32 = "10.13.0", "half", "float"

    def __init__(self, monkeypatch, there=False, aot=True):
        super().__init__("fake_tensorrt")
        self.given, self.there = {}, there
        plugin = ModuleType("fake_tensorrt.plugin")
        plugin.register = self.decorator("register")
        if aot:
            plugin.aot_impl = self.decorator("aot_impl")
        plugin.TensorDesc, plugin.KernelLaunchParams, plugin.SymIntExprs = Desc, Params, Exprs
        plugin.from_shape_expr = lambda shape, dtype: Desc(shape_expr=shape, dtype=dtype)
        monkeypatch.setitem(sys.modules, "fake_tensorrt", self)
        monkeypatch.setitem(sys.modules, "fake_tensorrt.plugin", plugin)

    def decorator(self, kind):
        return lambda identity: lambda function: self.given.setdefault((kind, identity), function)

    def get_plugin_registry(self):
        return SimpleNamespace(get_creator=lambda name, version, namespace: "one" if self.there else None)


@pytest.fixture
def registered(monkeypatch):
    pytest.importorskip("triton")
    trt = FakeTensorRT(monkeypatch)
    quick_deployable.register(trt, 87)
    return trt.given


def descs(operator, dtype="half"):
    shapes = SHAPES[operator.name]
    kinds = ["int32" if name == "index" else dtype for name in operator.inputs]
    return [Desc(shape=s, shape_expr=s, dtype=k) for s, k in zip(shapes, kinds, strict=True)]


def arrays(operator):
    """Attributes as a parser gives them: arrays of one number."""
    return {name: np.array([VALUES[name]], np.float32 if kind is float else np.int32)
            for name, kind in operator.attributes.items()}  # fmt: skip


@pytest.mark.parametrize("operator", quick_deployable.OPERATORS, ids=lambda o: o.name)
def test_signatures_are_what_tensorrt_reads(registered, operator):
    described = inspect.signature(registered["register", f"tosa_edge::{operator.name}"])
    implemented = inspect.signature(registered["aot_impl", f"tosa_edge::{operator.name}"])
    assert list(described.parameters) == [*operator.inputs, *operator.attributes]
    assert list(implemented.parameters) == [*operator.inputs, *operator.attributes, "outputs", "tactic"]
    for name, kind in operator.attributes.items():
        annotation = described.parameters[name].annotation
        assert inspect.isclass(annotation)  # or Python 3.13's issubclass would not take it
        assert annotation.__origin__ is np.ndarray
        assert get_args(annotation.__args__[1]) == (np.int32 if kind is int else np.float32,)
    assert all(described.parameters[name].annotation is Desc for name in operator.inputs)
    if len(operator.outputs) == 1:
        assert described.return_annotation is Desc
    else:
        assert get_args(described.return_annotation) == (Desc,) * len(operator.outputs)
    assert get_origin(implemented.return_annotation) is tuple
    assert get_args(implemented.return_annotation) == (str, str, Params, Exprs)


@pytest.mark.parametrize("operator", quick_deployable.OPERATORS, ids=lambda o: o.name)
@pytest.mark.parametrize("dtype", ["half", "float"])
def test_shapes_are_the_operators_own(registered, operator, dtype):
    made = registered["register", f"tosa_edge::{operator.name}"](*descs(operator, dtype), **arrays(operator))
    made = made if isinstance(made, tuple) else (made,)
    assert [out.shape_expr for out in made] == [*operator.shapes(*SHAPES[operator.name])]
    assert {out.dtype for out in made} == {dtype}


@pytest.mark.parametrize("operator", quick_deployable.OPERATORS, ids=lambda o: o.name)
def test_a_kernel_takes_its_inputs_and_outputs_alone(registered, operator, tmp_path):
    """The very PTX, through the assembler that Triton ships: no parameter is left that nobody passes."""
    implement = registered["aot_impl", f"tosa_edge::{operator.name}"]
    name, ptx, params, more = implement(*descs(operator), *arrays(operator).values(), [], 0)
    taken = re.search(rf"\.entry {name}\((.*?)\)", ptx, re.DOTALL)[1].split(",")
    assert len(taken) == len(operator.inputs) + len(operator.outputs)
    assert all(".u64 .ptr .global" in one for one in taken)
    assert list(more) == []
    assert (params.grid_x, params.grid_y, params.grid_z) == GRIDS[operator.name]
    assert f".reqntid {params.block_x}\n" in ptx
    assert params.shared_mem <= 48 * 1024
    assert ".version 8.0" in ptx
    assert str(Path(quick_deployable.__file__).parent.parent) not in ptx
    (tmp_path / "kernel.ptx").write_text(ptx)
    import triton.backends.nvidia as nvidia

    tool = Path(nvidia.__file__).parent / "bin/ptxas"
    command = [tool, "--gpu-name=sm_87", tmp_path / "kernel.ptx", "-o", tmp_path / "kernel.cubin"]
    assert subprocess.run(command, capture_output=True, text=True).stderr == ""


def test_a_hidden_parameter_that_is_read_is_not_taken_away():
    ptx = ".visible .entry k(\n\t.param .u64 k_param_0,\n\t.param .u64 k_param_1\n)\n{ ld [k_param_0]; %s }"
    assert "k_param_1" not in quick_deployable.trim_parameters(ptx % "", "k", 1)
    assert quick_deployable.trim_parameters(ptx % "ld [k_param_10];", "k", 1)
    with pytest.raises(TosaEdgeError, match="reads memory that TensorRT does not give it"):
        quick_deployable.trim_parameters(ptx % "ld [k_param_1];", "k", 1)


@pytest.mark.parametrize("shape", [(BATCH, -1, 3 * WIDTH), (BATCH, KEPT, 3 * 100)])
def test_shapes_without_a_kernel_are_refused(shape):
    with pytest.raises(TosaEdgeError, match="there is no SelectiveAttention kernel for shapes"):
        quick_deployable.compiled(
            SELECTIVE_ATTENTION, "fp16", {"qkv": shape}, {"num_heads": 6, "scale": 0.1}, 87
        )


def test_two_hosts_of_one_name_are_refused(monkeypatch):
    with pytest.raises(TosaEdgeError, match="in this process already"):
        quick_deployable.register(FakeTensorRT(monkeypatch, there=True), 87)


def test_an_old_tensorrt_is_told_from_a_missing_triton(monkeypatch):
    with monkeypatch.context() as without:
        without.setattr(quick_deployable, "find_spec", lambda name: None)
        with pytest.raises(MachineLacks, match="Triton"):
            quick_deployable.register(FakeTensorRT(monkeypatch), 87)
    pytest.importorskip("triton")
    with pytest.raises(MachineLacks, match=r"10\.13\.0 has no plugins that are compiled ahead of time"):
        quick_deployable.register(FakeTensorRT(monkeypatch, aot=False), 87)
