"""Puts a graph's weights into the graph: ours is the only reader of external data.

A tensor may say that its bytes are in a file, wherever a tensor can be: among the initializers of the graph
and of every subgraph, in any attribute of any node, in functions. Runtimes follow that to any path, relative
to wherever the process was started. So each such tensor is found here, may name the `weights.safetensors`
beside the graph and nothing else, and gets its bytes; none is left for a runtime to read.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import read_bytes
from tosa_edge.find_model import WEIGHTS
from tosa_edge.limits import BYTES
from tosa_edge.protobuf_walk import messages_of

if TYPE_CHECKING:
    import onnx


def put_weights_inside(proto: onnx.ModelProto, folder: Path, sha256: str) -> None:
    """Completes `proto` from the weights file in `folder`, which has to be the one of that digest."""
    import onnx

    outside = onnx.TensorProto.EXTERNAL
    external = [t for t in messages_of(proto, "TensorProto") if t.data_location == outside or t.external_data]
    if not external:
        return
    weights = folder / WEIGHTS
    remedy = f"Put back the {WEIGHTS} this graph was exported with, or export the model folder again."
    places = [_place(tensor) for tensor in external]
    for tensor, (location, start, length) in zip(external, places, strict=True):
        if location != WEIGHTS or start < 0 or length < 0:
            raise TosaEdgeError(f"the weight {tensor.name[:60]!a} points outside {weights}", remedy)
    # Many tensors may mean the same bytes, and each gets its own.
    BYTES.check(sum(length for _, _, length in places), f"the weights of a graph in {folder}")
    try:
        blob = read_bytes(weights)
    except OSError as error:
        raise TosaEdgeError(f"{weights} cannot be read: {error.strerror}", remedy) from error
    if hashlib.sha256(blob).hexdigest() != sha256:
        raise TosaEdgeError(f"{weights} is not the file this graph was exported with, or is damaged", remedy)
    for tensor, (_, start, length) in zip(external, places, strict=True):
        if start + length > len(blob):
            raise TosaEdgeError(f"the weight {tensor.name[:60]!a} points outside {weights}", remedy)
        tensor.raw_data = blob[start : start + length]
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]


def _place(tensor: onnx.TensorProto) -> tuple[str, int, int]:
    """File, offset and length that a tensor names; -1 for what is no number of bytes."""
    entry = {e.key: e.value for e in tensor.external_data}
    return entry.get("location", ""), _count(entry.get("offset", "0")), _count(entry.get("length", ""))


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
