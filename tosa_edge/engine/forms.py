"""Which form of a model a backend gets: decided by its name, its provider, version and precision alone.

Float graphs are opset 18 everywhere. Two forms are for backends that gain by them: INT8 with float16 scales
in a float16 graph (opset 19) for GPUs, and attention as the one ONNX operator (opset 23, half precision
only) for those that run it as one kernel. INT8 stays without the latter: at opset 23 ONNX Runtime would not
load it.
"""

from __future__ import annotations

from dataclasses import dataclass

from tosa_edge.engine import GPU_PROVIDERS, ONNXRUNTIME, TENSORRT, TENSORRT_RTX
from tosa_edge.machine import version_numbers

# The first whose parser makes one layer of `Attention`; of TensorRT-RTX the first it was tried with.
_FIRST_WITH_ATTENTION = {TENSORRT: (10, 14), TENSORRT_RTX: (1, 7)}


@dataclass(frozen=True)
class Form:
    """half: what is not INT8 is half, and so are INT8's scales. attention: spelt as the one operator."""

    half: bool
    attention: bool


def form_for(backend: str, version: str | None, precision: str, provider: str = "") -> Form:
    """`provider` is of ONNX Runtime."""
    first = _FIRST_WITH_ATTENTION.get(backend)
    parses = first is not None and version_numbers(version) >= first
    on_gpu = backend != ONNXRUNTIME or provider in GPU_PROVIDERS
    half = precision == "fp16" or (precision == "int8" and on_gpu)
    return Form(half, precision == "fp16" and parses)
