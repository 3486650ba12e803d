"""Small real exports, made once for all tests that look at them."""

from __future__ import annotations

import functools

import numpy as np
import onnx

from tests import tiny
from tests.exported import exported
from tests.nets import TINY, tiny_pattern
from tosa_edge.export.metadata import info_of
from tosa_edge.graph import LoadedGraph
from tosa_edge.nn.tosa import Pattern

SIZE = (TINY.height, TINY.width)
LAYERS = ["encoder.patch_embed.proj"] + [
    f"encoder.blocks.{block}.{layer}"
    for block in range(TINY.layers)
    for layer in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
]


@functools.cache
def _exported(dense: bool, form: str, batch: int, precision: str) -> bytes:
    pattern = Pattern() if dense else tiny_pattern(group=3)
    return exported(pattern, form=form, batch=batch, precision=precision).SerializeToString()


def tiny_graph(
    dense: bool = False, form: str = "portable", batch: int = 1, precision: str = "fp32"
) -> LoadedGraph:
    proto = onnx.load_model_from_string(_exported(dense, form, batch, precision))
    return LoadedGraph(proto, info_of(proto), "tiny")


def pictures(count: int = 4) -> np.ndarray:
    """uint8 [count, H, W, 3]."""
    return np.stack([tiny.picture(*SIZE, seed=seed) for seed in range(count)])


def ranges_of(graph: LoadedGraph, method: str = "minmax", count: int = 4) -> dict:
    from tosa_edge.calibration.placement import find_layers
    from tosa_edge.calibration.ranges import measure

    tensors = [layer.activation for layer in find_layers(graph.proto)]
    return measure(graph, tensors, pictures(count), method, threads=1)
