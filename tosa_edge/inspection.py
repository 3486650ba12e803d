"""What is in a MODEL, as plain facts."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.engine.inspection import describe_engine
from tosa_edge.engine.load import load_graph
from tosa_edge.engine.names import is_engine
from tosa_edge.errors import TosaEdgeError
from tosa_edge.find_model import WEIGHTS, find_graph

if TYPE_CHECKING:
    import onnx

    from tosa_edge.graph import LoadedGraph


def describe(spec: str) -> dict[str, Any]:
    """The graph a MODEL means: info, ports, operators, functions, weights; of an engine, the rest too."""
    path = find_graph(spec)
    if is_engine(path):
        facts, graph = describe_engine(path)
        return facts if graph is None else {**_describe_graph(graph, path), **facts}
    return _describe_graph(load_graph(spec), path)


def _describe_graph(loaded: LoadedGraph, path: Path) -> dict[str, Any]:
    graph = loaded.proto.graph
    weights = list(graph.initializer)
    shared = path.parent / WEIGHTS
    return {
        "model": loaded.label,
        "file": str(path),
        "file_bytes": path.stat().st_size,
        "weights_file_bytes": shared.stat().st_size if shared.is_file() else None,
        "info": {**asdict(loaded.info), "grid": loaded.info.grid, "tokens": loaded.info.tokens},
        "opset": {entry.domain or "ai.onnx": entry.version for entry in loaded.proto.opset_import},
        "ir_version": loaded.proto.ir_version,
        "inputs": [_port(value) for value in graph.input],
        "outputs": [_port(value) for value in graph.output],
        "operators": _counted(graph.node),
        "functions": [
            {"name": f"{f.domain}.{f.name}", "operators": _counted(f.node)} for f in loaded.proto.functions
        ],
        "weights": {
            "tensors": len(weights),
            "numbers": sum(math.prod(w.dims) for w in weights),
            "bytes": sum(len(w.raw_data) or w.ByteSize() for w in weights),
            "kinds": dict(Counter(_kind(w.data_type) for w in weights)),
        },
        "calibration": _calibration(loaded, path),
    }


def _calibration(loaded: LoadedGraph, path: Path) -> dict[str, Any] | None:
    """How its INT8 came about; None of a float model."""
    from tosa_edge.calibration.quantised import calibration_of

    try:
        return calibration_of(loaded.proto)
    except ValueError as error:
        raise TosaEdgeError(
            f"what {path} says of its calibration is damaged: {error}",
            "Make it again with `tosa-edge calibrate`.",
        ) from error


def _counted(nodes: Any) -> dict[str, int]:
    """How often each operator occurs, the most frequent first."""
    names = (f"{node.domain}.{node.op_type}" if node.domain else node.op_type for node in nodes)
    return dict(Counter(names).most_common())


def _port(value: onnx.ValueInfoProto) -> dict[str, Any]:
    tensor = value.type.tensor_type
    shape = [d.dim_value if d.HasField("dim_value") else d.dim_param or "?" for d in tensor.shape.dim]
    return {"name": value.name, "type": _kind(tensor.elem_type), "shape": shape}


def _kind(number: int) -> str:
    import onnx

    return onnx.TensorProto.DataType.Name(number).lower()
