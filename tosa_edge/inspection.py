"""What is in a MODEL, as plain facts."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tosa_edge.model import WEIGHTS, find_graph, load_graph

if TYPE_CHECKING:
    import onnx


def describe(spec: str) -> dict[str, Any]:
    """Info, ports, operators, functions, weights and sizes of the graph a MODEL means."""
    path = find_graph(spec)
    loaded = load_graph(spec)
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
    }


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
