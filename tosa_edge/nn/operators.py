"""Decorator: a PyTorch function run eagerly, as a Triton kernel on a GPU, or as one ONNX node in export."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from tosa_edge.plugins import DOMAIN, VERSION, Operator, launch

KERNEL_DEVICES = {"cuda"} if find_spec("triton") else set()  # "cpu" too, in Triton's interpreter: for tests
KERNEL_DTYPES = (torch.float16, torch.float32)
LIBRARY = "tosa_edge"
Function = Callable[..., Any]


def exported_as(operator: Operator) -> Callable[[Function], Function]:
    """Decorates the PyTorch form of an operator: tensors by position, attributes by keyword.

    In eager PyTorch the function runs as it is written, except where a kernel does the same faster: on a GPU,
    when no gradient is wanted (kernels have no backward). While a graph is being exported it becomes one
    symbolic node, whose shapes come from the operator's own shape rule.
    """

    def decorate(function: Function) -> Function:
        op = _register(operator, function)

        @functools.wraps(function)
        def wrapper(*tensors: Tensor, **attributes: Any) -> Any:
            if torch.compiler.is_exporting():
                return _symbolic(operator, tensors, attributes)
            if has_kernel(operator, tensors, attributes):
                return op(*tensors, **attributes)
            return function(*tensors, **attributes)

        return wrapper

    return decorate


def has_kernel(operator: Operator, tensors: tuple[Tensor, ...], attributes: dict[str, Any]) -> bool:
    """Is there a kernel for just these tensors, here and now?"""
    first, floats = tensors[0], [t for t in tensors if t.is_floating_point()]
    if first.device.type not in KERNEL_DEVICES or first.dtype not in KERNEL_DTYPES:
        return False
    if any(t.dtype != first.dtype for t in floats) or any(t.device != first.device for t in tensors):
        return False
    if torch.is_grad_enabled() and any(t.requires_grad for t in floats):
        return False
    if first.is_cuda and torch.cuda.get_device_capability(first.device) < (8, 0):
        return False
    shapes = {name: tuple(t.shape) for name, t in zip(operator.inputs, tensors, strict=True)}
    return launch.plan_launches(operator.name, shapes, first.dtype == torch.float16, attributes) is not None


def _register(operator: Operator, function: Function) -> Function:
    """The operator as PyTorch's own (`torch.ops.tosa_edge`): compiled graphs hold it as one call."""
    name = function.__name__
    kinds = ", ".join(f"{kind.__name__} {attribute}" for attribute, kind in operator.attributes.items())
    inputs = ", ".join(f"Tensor {tensor}" for tensor in operator.inputs)
    results = ", ".join("Tensor" for _ in operator.outputs)
    signature = f"({inputs}{', *, ' + kinds if kinds else ''}) -> ({results})"
    torch.library.define(f"{LIBRARY}::{name}", signature)

    def fake(*tensors: Tensor, **attributes: Any) -> Any:
        return _one_or_all(_empty_outputs(operator, tensors))

    def kernel(*tensors: Tensor, **attributes: Any) -> Any:
        tensors = tuple(t.contiguous() for t in tensors)
        index = {"index": tensors[1].int()} if "index" in operator.inputs else {}
        inputs = dict(zip(operator.inputs, tensors, strict=True)) | index
        outputs = _empty_outputs(operator, tensors)
        first = tensors[0]
        # Triton launches on the current device, whichever the tensors are on.
        with torch.cuda.device(first.device) if first.is_cuda else contextlib.nullcontext():
            named = dict(zip(operator.outputs, outputs, strict=True))
            launch.run(operator.name, inputs, named, attributes, _architecture(first))
        return _one_or_all(outputs)

    def on_cpu(*tensors: Tensor, **attributes: Any) -> Any:
        return (kernel if "cpu" in KERNEL_DEVICES else function)(*tensors, **attributes)

    torch.library.impl(f"{LIBRARY}::{name}", "cpu", on_cpu)
    torch.library.impl(f"{LIBRARY}::{name}", "cuda", kernel)
    torch.library.register_fake(f"{LIBRARY}::{name}", fake)
    return getattr(getattr(torch.ops, LIBRARY), name)


def _architecture(tensor: Tensor) -> int | None:
    """87 for compute capability 8.7; None on a CPU."""
    if not tensor.is_cuda:
        return None
    major, minor = torch.cuda.get_device_capability(tensor.device)
    return 10 * major + minor


def _empty_outputs(operator: Operator, tensors: tuple[Tensor, ...]) -> list[Tensor]:
    shapes = operator.shapes(*(t.shape for t in tensors))
    dtypes = _output_dtypes(operator, tensors)
    return [tensors[0].new_empty(shape, dtype=d) for shape, d in zip(shapes, dtypes, strict=True)]


def _output_dtypes(operator: Operator, tensors: tuple[Tensor, ...]) -> list[torch.dtype]:
    wide = operator.float32_outputs
    return [torch.float32 if name in wide else tensors[0].dtype for name in operator.outputs]


def _one_or_all(outputs: list[Tensor]) -> Any:
    return tuple(outputs) if len(outputs) > 1 else outputs[0]


def _symbolic(operator: Operator, tensors: tuple[Tensor, ...], attributes: dict[str, Any]) -> Any:
    outputs = torch.onnx.ops.symbolic_multi_out(
        f"{DOMAIN}::{operator.name}",
        tensors,
        attrs=attributes,
        dtypes=_output_dtypes(operator, tensors),
        shapes=operator.shapes(*(t.shape for t in tensors)),
        version=VERSION,
    )
    return outputs if len(outputs) > 1 else outputs[0]
