"""The kernels as TensorRT's quick deployable plugins, of 10.9 and later: an engine carries them inside.

They are compiled, by Triton, while an engine is built; where it runs it needs neither our library nor Python.
Each is one launch without scratch memory: TokenGather, SelectiveAttention, TokenScatter. TokenImportance is
two launches with memory between them and stays what its body says. (As two plugins, its statistics would
become a tensor of the graph, and the parser would have to know two operators that no other runtime has.)

A graph's shapes are fixed, so sizes and attributes are compiled in, and a kernel's parameters are its inputs
and outputs: all that TensorRT passes. The two hidden ones that Triton adds are taken out of the PTX.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.plugins import launch
from tosa_edge.plugins.kernel_list import Kernel
from tosa_edge.plugins.operator import PLUGIN_NAMESPACE, PLUGIN_VERSION, Operator
from tosa_edge.plugins.selective_attention import SELECTIVE_ATTENTION
from tosa_edge.plugins.token_gather import TOKEN_GATHER
from tosa_edge.plugins.token_scatter import TOKEN_SCATTER

OPERATORS = (TOKEN_GATHER, SELECTIVE_ATTENTION, TOKEN_SCATTER)
NAMES = tuple(operator.name for operator in OPERATORS)
# The oldest PTX that knows an architecture: what reads it is TensorRT's, and may be older than Triton.
_PTX = {100: 86, 110: 90, 120: 87}
_SHARED = 48 * 1024  # bytes a kernel may have without asking the driver for more


def register(trt: ModuleType, architecture: int) -> None:
    """Our plugins into this process; 87 is the architecture of compute capability 8.7."""
    if trt.get_plugin_registry().get_creator(NAMES[0], PLUGIN_VERSION, PLUGIN_NAMESPACE) is not None:
        raise TosaEdgeError(
            "the plugins of tosa-edge are in this process already",
            "Use them, or register these in another process: one name is one runtime's.",
        )
    if find_spec("triton") is None:
        raise MachineLacks("Triton, which compiles the plugins, is not installed", "pip install triton")
    try:
        plugin = import_module(f"{trt.__name__}.plugin")
        plugin.aot_impl  # noqa: B018
    except (ImportError, AttributeError):
        raise MachineLacks(
            f"{trt.__name__} {trt.__version__} has no plugins that are compiled ahead of time",
            "TensorRT 10.9 is the first; older ones take the C++ library (docs/plugin.md).",
        ) from None
    for operator in OPERATORS:
        _register(trt, plugin, operator, architecture)


def _register(trt: ModuleType, plugin: ModuleType, operator: Operator, architecture: int) -> None:
    names = operator.inputs

    def describe(*tensors: Any, **_attributes: Any) -> Any:
        shapes = operator.shapes(*(tuple(tensor.shape_expr) for tensor in tensors))
        outputs = tuple(plugin.from_shape_expr(shape, tensors[0].dtype) for shape in shapes)
        return outputs if len(outputs) > 1 else outputs[0]

    def implement(*given: Any) -> Any:
        tensors, values = given[: len(names)], given[len(names) : -2]
        precision = {trt.float16: "fp16", trt.float32: "fp32"}[tensors[0].dtype]
        shapes = {name: tuple(tensor.shape) for name, tensor in zip(names, tensors, strict=True)}
        attributes = {n: kind(v[0]) for (n, kind), v in zip(operator.attributes.items(), values, strict=True)}
        name, ptx, grid, threads, shared = compiled(operator, precision, shapes, attributes, architecture)
        params = plugin.KernelLaunchParams()
        params.grid_x, params.grid_y, params.grid_z = grid
        params.block_x, params.shared_mem = threads, shared
        return name, ptx, params, plugin.SymIntExprs(0)

    tensors = [_parameter(name, plugin.TensorDesc) for name in names]
    outputs = plugin.TensorDesc if len(operator.outputs) == 1 else _several(plugin, operator)
    typed = [_parameter(name, _array_of(kind)) for name, kind in operator.attributes.items()]
    untyped = [_parameter(name) for name in (*operator.attributes, "outputs", "tactic")]
    answer = tuple[str, str, plugin.KernelLaunchParams, plugin.SymIntExprs]  # type: ignore[name-defined]
    identity = f"{PLUGIN_NAMESPACE}::{operator.name}"
    plugin.register(identity)(_signed(describe, [*tensors, *typed], outputs))
    plugin.aot_impl(identity)(_signed(implement, [*tensors, *untyped], answer))


def compiled(
    operator: Operator,
    precision: str,
    shapes: dict[str, tuple[int, ...]],
    attributes: dict[str, Any],
    architecture: int,
) -> tuple[str, str, tuple[int, int, int], int, int]:
    """The kernel's name, its PTX, grid, threads and bytes of shared memory."""
    from tosa_edge.plugins.compiler import prepare, translate

    fixed = all(size >= 0 for shape in shapes.values() for size in shape)
    planned = launch.plan_launches(operator.name, shapes, precision == "fp16", attributes) if fixed else None
    if planned is None:
        raise TosaEdgeError(
            f"there is no {operator.name} kernel for shapes {shapes}",
            "Build the portable form: TensorRT's own layers take these.",
        )
    (step,), sizes = planned
    kernel = Kernel(operator.name, precision, (), 0, step, architecture)
    tensors = (*operator.inputs, *operator.outputs)
    known = {n: {**sizes, **attributes}[n] for n in kernel.parameters() if n not in tensors}
    prepare()
    done = translate(kernel, known, ptx_version=_PTX.get(architecture, 80))
    shared = done.metadata.shared
    assert shared <= _SHARED, f"{step.kernel} asks for {shared} bytes of shared memory"
    name = done.metadata.name
    x, y, z = (*step.programs(sizes), 1, 1)[:3]
    return name, trim_parameters(done.asm["ptx"], name, len(tensors)), (x, y, z), step.warps * 32, shared


def trim_parameters(ptx: str, name: str, count: int) -> str:
    """PTX whose kernel has its first so many parameters only; the others must be ones it never reads."""
    head, entry, rest = ptx.partition(f".entry {name}(")
    listed, end, body = rest.partition(")")
    parameters = listed.split(",")
    for hidden in parameters[count:]:
        if re.search(rf"\b{re.escape(hidden.split()[-1])}\b", body):
            raise TosaEdgeError(
                f"{name}, as this Triton compiles it, reads memory that TensorRT does not give it",
                "Use the C++ library (docs/plugin.md), or Triton 3.6 to 3.9.",
            )
    return head + entry + ",".join(parameters[:count]) + "\n" + end + body


def _several(plugin: ModuleType, operator: Operator) -> Any:
    return tuple[tuple(plugin.TensorDesc for _ in operator.outputs)]  # type: ignore[misc]


def _parameter(name: str, annotation: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)


def _signed(function: Any, parameters: list[inspect.Parameter], answer: Any) -> Any:
    """TensorRT reads names and types off a function's signature, as objects: strings would not do."""
    function.__signature__ = inspect.Signature(parameters, return_annotation=answer)
    return function


def _array_of(kind: type) -> type:
    """The annotation of an attribute: an array of one number.

    A parser gives no other, TensorRT to 10.13 makes no scalar of it under NumPy 2.4, and its check of
    `NDArray[...]`, which is no class, fails under Python 3.13.
    """
    import numpy as np

    number = np.dtype[np.int32] if kind is int else np.dtype[np.float32]
    return type("Numbers", (), {"__origin__": np.ndarray, "__args__": (Any, number)})
