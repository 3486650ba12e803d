"""One complete ONNX graph in memory, and what it says of itself.

The graphs of a folder share one `weights.safetensors`, into which their initializers point by offset. We
read those bytes ourselves: onnx refuses hard-linked external data and every loader refuses a symlink out of
the folder, which is how package managers and model hubs lay files down.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tosa_edge.errors import TosaEdgeError
from tosa_edge.info import KEY, GraphInfo
from tosa_edge.model import WEIGHTS, label_of

if TYPE_CHECKING:
    import onnx

# In the metadata of a graph that a runtime has optimised for one machine: an engine, with a manifest.
ENGINE_MARK = "tosa_engine"


@dataclass(frozen=True)
class LoadedGraph:
    """A graph with all its weights inside, and what it says of itself."""

    proto: onnx.ModelProto
    info: GraphInfo
    label: str

    @property
    def is_engine(self) -> bool:
        return any(p.key == ENGINE_MARK for p in self.proto.metadata_props)

    def bytes(self) -> bytes:
        return self.proto.SerializeToString()


def read_graph(path: Path) -> LoadedGraph:
    """The graph in a file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TosaEdgeError(
            f"{path} cannot be read: {error.strerror}", "Check its path and rights."
        ) from error
    return graph_from_bytes(data, path)


def graph_from_bytes(data: bytes, path: Path) -> LoadedGraph:
    """The graph in the bytes of the file `path`, completed and checked."""
    proto = _parse(data, path)
    info = _describe(proto, path)
    _complete(proto, path.parent, info)
    return LoadedGraph(proto, info, label_of(path))


def _parse(data: bytes, path: Path) -> onnx.ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    remedy = "Export it again with `tosa-edge export`, or check that the download finished."
    if not data:
        raise TosaEdgeError(f"{path} is empty", remedy)
    try:
        proto = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise TosaEdgeError(f"{path} is not an ONNX model, or only a part of one", remedy) from error
    if not proto.graph.node or not proto.opset_import:
        raise TosaEdgeError(f"{path} is not an ONNX model, or only a part of one", remedy)
    return proto


def _describe(proto: onnx.ModelProto, path: Path) -> GraphInfo:
    remedy = "Make it with `tosa-edge export CKPT -o FILE.onnx`, which writes that description."
    text = {p.key: p.value for p in proto.metadata_props}.get(KEY)
    if text is None:
        raise TosaEdgeError(
            f"{path} is an ONNX model, but not one of tosa-edge's: no `{KEY}` metadata", remedy
        )
    try:
        return GraphInfo.from_json(text)
    except ValueError as error:
        raise TosaEdgeError(f"the `{KEY}` metadata of {path} is damaged: {error}", remedy) from error


def _complete(proto: onnx.ModelProto, folder: Path, info: GraphInfo) -> None:
    """Puts external weights into the graph itself."""
    import onnx

    external = [t for t in proto.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
    if not external:
        return
    weights = folder / WEIGHTS
    remedy = f"Put back the {WEIGHTS} this graph was exported with, or export the model folder again."
    try:
        blob = weights.read_bytes()
    except OSError as error:
        raise TosaEdgeError(f"{weights} cannot be read: {error.strerror}", remedy) from error
    if hashlib.sha256(blob).hexdigest() != info.weights_sha256:
        raise TosaEdgeError(f"{weights} is not the file this graph was exported with, or is damaged", remedy)
    for tensor in external:
        entry = {e.key: e.value for e in tensor.external_data}
        start, length = _count(entry.get("offset", "0")), _count(entry.get("length", ""))
        if entry.get("location") != WEIGHTS or start < 0 or not 0 <= length <= len(blob) - start:
            raise TosaEdgeError(f"the weight {tensor.name!r} points outside {weights}", remedy)
        tensor.raw_data = blob[start : start + length]
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]


def _count(text: str) -> int:
    """A number of bytes; -1 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
