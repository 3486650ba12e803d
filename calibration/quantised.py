"""An INT8 model that says what it is and how it came about."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tosa_edge.calibration.placement import Layer
from tosa_edge.calibration.qdq import insert_qdq
from tosa_edge.calibration.table import Table
from tosa_edge.graph import LoadedGraph
from tosa_edge.graph_info import KEY
from tosa_edge.strict_json import read_object

if TYPE_CHECKING:
    import onnx

# Beside the graph's description: how its INT8 was made.
CALIBRATION_KEY = "tosa_calibration"


def quantised(
    graph: LoadedGraph, layers: list[Layer], table: Table, activations: str, higher: Collection[str] = ()
) -> onnx.ModelProto:
    """The graph with its layers in INT8, but for those whose names are in `higher`."""
    chosen = [layer for layer in layers if layer.name not in higher]
    model = insert_qdq(graph.proto, chosen, table.ranges, activations)
    about = {
        "for": "gpu" if scales_of(model) == "float16" else "cpu",
        "activations": activations,
        "method": table.method,
        "images": table.images,
        "table": table.digest,
        "higher": sorted(higher),
    }
    others = [(p.key, p.value) for p in model.metadata_props if p.key not in (KEY, CALIBRATION_KEY)]
    del model.metadata_props[:]
    described = [(KEY, replace(graph.info, precision="int8").to_json())]
    for key, value in [*described, (CALIBRATION_KEY, json.dumps(about, sort_keys=True)), *others]:
        model.metadata_props.add(key=key, value=value)
    return model


def calibration_of(model: onnx.ModelProto) -> dict[str, Any] | None:
    """What is written beside the description: activations, method, images, digest of the table, `higher`.

    Raises ValueError when it is damaged.
    """
    text = {p.key: p.value for p in model.metadata_props}.get(CALIBRATION_KEY)
    return None if text is None else read_object(text)


def activations_of(model: onnx.ModelProto) -> str | None:
    """`symmetric` or `unsigned` as the graph has it, whatever it says of itself; None when nothing is INT8.

    TensorRT takes the symmetric form only.
    """
    from onnx import TensorProto

    zeros = _types_of(model, 2)
    if not zeros:
        return None
    return "unsigned" if TensorProto.UINT8 in zeros else "symmetric"


def scales_of(model: onnx.ModelProto) -> str | None:
    """`float16`, which is the form for GPUs, or `float32`, as the graph has it; None when nothing is INT8."""
    from onnx import TensorProto

    scales = _types_of(model, 1)
    if not scales:
        return None
    return "float16" if scales == {TensorProto.FLOAT16} else "float32"


def _types_of(model: onnx.ModelProto, at: int) -> set[int | None]:
    """Of the constants that every QuantizeLinear has at that place."""
    types = {t.name: t.data_type for t in model.graph.initializer}
    quantise = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    return {types.get(node.input[at]) for node in quantise if len(node.input) > at}
