"""The seam between PyTorch and ONNX: a function that exports as one node of the `tosa` domain."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

from tosa_edge.plugins import DOMAIN, VERSION, Operator


def exported_as(operator: Operator) -> Callable:
    """Decorates the PyTorch form of an operator: tensors by position, attributes by keyword.

    In eager PyTorch the function runs as it is written; while a graph is being exported it becomes one
    symbolic node, whose shapes come from the operator's own shape rule.
    """

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapper(*tensors: torch.Tensor, **attributes: Any) -> Any:
            if not torch.compiler.is_exporting():
                return function(*tensors, **attributes)
            shapes = operator.shapes(*(t.shape for t in tensors))
            dtypes = [
                torch.float32 if name in operator.float32_outputs else tensors[0].dtype
                for name in operator.outputs
            ]
            outputs = torch.onnx.ops.symbolic_multi_out(
                f"{DOMAIN}::{operator.name}",
                tensors,
                attrs=attributes,
                dtypes=dtypes,
                shapes=shapes,
                version=VERSION,
            )
            return outputs if len(outputs) > 1 else outputs[0]

        return wrapper

    return decorate
