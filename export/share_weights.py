"""Points a graph's initializers into the safetensors file they came from.

The file is in half precision and in PyTorch's layout; the graph may want float32 and the transpose. A Cast
and a Transpose on a constant fold away when the graph is loaded, so nothing is paid for it at run time, and
all graphs of a model, and PyTorch itself, share one file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Stored:
    """One half-precision tensor of a safetensors file."""

    name: str
    shape: tuple[int, ...]
    offset: int
    data: np.ndarray


def stored_tensors(weights: Path) -> list[Stored]:
    """The half-precision tensors of a safetensors file and where their bytes begin.

    safetensors' own reader hides the offsets, and offsets are what external data is made of.
    """
    blob = weights.read_bytes()
    start = 8 + int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8:start])
    header.pop("__metadata__", None)
    tensors = []
    for name, entry in header.items():
        if entry["dtype"] == "F16":
            begin, end = (start + o for o in entry["data_offsets"])
            data = np.frombuffer(blob[begin:end], np.float16).reshape(entry["shape"])
            tensors.append(Stored(name, tuple(entry["shape"]), begin, data))
    return tensors


def share_weights(model: onnx.ModelProto, weights: Path, *, embed: bool = False) -> None:
    """Replaces every initializer that stands in the file, as it is or transposed, by a reference to it.

    Initializers are recognised by their contents, for the exporter renames what it transposes. What is not
    in the file (a position embedding resampled to another size, small constants) stays in the graph.

    Args:
        embed: write the half-precision bytes into the graph instead of references to the file.
    """
    from onnx import TensorProto, helper, numpy_helper

    half = any(t.data_type == TensorProto.FLOAT16 for t in model.graph.initializer)
    dtype = np.float16 if half else np.float32
    known: dict[tuple[tuple[int, ...], bytes], tuple[Stored, bool]] = {}
    for stored in stored_tensors(weights):
        data = stored.data.astype(dtype)
        if len(stored.shape) == 2:
            known.setdefault((data.T.shape, data.T.tobytes()), (stored, True))
        known[data.shape, data.tobytes()] = (stored, False)

    kept, references, nodes = [], {}, []
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        found = known.get((array.shape, array.tobytes()))
        if found is None or array.dtype != dtype:
            kept.append(tensor)
            continue
        stored, transposed = found
        if stored.name not in references:
            references[stored.name] = _reference(stored, embed)
        source = references[stored.name].name
        steps = [("Transpose", {"perm": [1, 0]})] * transposed + [("Cast", {"to": TensorProto.FLOAT})] * (
            not half
        )
        if not steps:
            steps = [("Identity", {})]
        for i, (op, attributes) in enumerate(steps):
            target = tensor.name if i == len(steps) - 1 else f"{tensor.name}/{op}"
            nodes.append(helper.make_node(op, [source], [target], name=f"weights/{target}", **attributes))
            source = target
    del model.graph.initializer[:]
    model.graph.initializer.extend([*kept, *references.values()])
    old = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *old])


def _reference(stored: Stored, embed: bool) -> onnx.TensorProto:
    from onnx import TensorProto

    from tosa_edge.find_model import WEIGHTS

    tensor = TensorProto(name=f"{WEIGHTS}/{stored.name}", data_type=TensorProto.FLOAT16, dims=stored.shape)
    if embed:
        tensor.raw_data = stored.data.tobytes()
        return tensor
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", WEIGHTS), ("offset", stored.offset), ("length", stored.data.nbytes)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor
