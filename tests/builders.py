"""What builds engines here. TensorRT-RTX needs no GPU for it, but is an extra, and aarch64 has none."""

from importlib.util import find_spec

import pytest

from tosa_edge.engine import ONNXRUNTIME, TENSORRT_RTX

needs_rtx = pytest.mark.skipif(find_spec("tensorrt_rtx") is None, reason="TensorRT-RTX is not installed")
BACKENDS = [ONNXRUNTIME, pytest.param(TENSORRT_RTX, marks=needs_rtx)]
