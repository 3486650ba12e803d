"""One complete ONNX graph in memory, and what it says of itself.

The graphs of a folder share one `weights.safetensors`, into which their initializers point by offset. We
read those bytes ourselves: onnx refuses hard-linked external data and every loader refuses a symlink out of
the folder, which is how package managers and model hubs lay files down.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tosa_edge.errors import TosaEdgeError
from tosa_edge.external_data import put_weights_inside
from tosa_edge.files import read_bytes
from tosa_edge.find_model import label_of
from tosa_edge.finite import is_finite
from tosa_edge.graph_info import KEY, GraphInfo
from tosa_edge.inlined_size import check_inlined_size
from tosa_edge.interface import check_interface, ports_of
from tosa_edge.protobuf_walk import messages_of

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


def with_outputs(
    graph: LoadedGraph, names: Iterable[str], half: Collection[str] = frozenset()
) -> LoadedGraph:
    """The graph with these tensors among its outputs; of those it has no type for, `half` are float16."""
    import onnx

    proto = onnx.ModelProto()
    proto.CopyFrom(graph.proto)
    there = {output.name for output in proto.graph.output}
    known = {value.name: value for value in proto.graph.value_info}
    for name in names:
        if name not in there:
            kind = onnx.TensorProto.FLOAT16 if name in half else onnx.TensorProto.FLOAT
            untyped = onnx.helper.make_tensor_value_info(name, kind, None)
            proto.graph.output.append(known.get(name) or untyped)
            there.add(name)
    return replace(graph, proto=proto)


def read_graph(path: Path) -> LoadedGraph:
    """The graph in a file."""
    try:
        data = read_bytes(path)
    except OSError as error:
        raise TosaEdgeError(
            f"{path} cannot be read: {error.strerror}", "Check its path and rights."
        ) from error
    return graph_from_bytes(data, path)


def graph_from_bytes(data: bytes, path: Path) -> LoadedGraph:
    """The graph in the bytes of the file `path`, completed and checked."""
    proto = _parse(data, path)
    info = _describe(proto, path)
    _check_contents(proto, path)
    _check_interface(proto, info, path)
    put_weights_inside(proto, path.parent, info.weights_sha256)
    _check_weights(proto, path)
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


def _check_contents(proto: onnx.ModelProto, path: Path) -> None:
    """Refuses what none of our graphs holds, and what no runtime could hold."""
    remedy = "Export it again with `tosa-edge export`, or do not run a graph that you do not trust."
    try:
        check_inlined_size(proto, f"the graph {path}, its functions written out")
    except ValueError as error:
        raise TosaEdgeError(f"{path} cannot be run: {error}", remedy) from error
    for found in messages_of(proto, "SparseTensorProto", "NodeProto", "TrainingInfoProto"):
        kind = found.DESCRIPTOR.name
        if kind == "SparseTensorProto":
            raise TosaEdgeError(f"{path} holds sparse weights, which claim any size in a few bytes", remedy)
        if kind == "TrainingInfoProto":
            raise TosaEdgeError(f"{path} holds a training", remedy)
        if found.op_type == "EPContext":
            raise TosaEdgeError(f"{path} names an engine of another program, which would be loaded", remedy)


def _check_interface(proto: onnx.ModelProto, info: GraphInfo, path: Path) -> None:
    """Once, for whoever feeds the graph or takes what it gives."""
    try:
        check_interface(info, ports_of(proto.graph.input), ports_of(proto.graph.output))
    except ValueError as error:
        raise TosaEdgeError(
            f"{path} {error}", "Export it again with `tosa-edge export`: its parts do not belong together."
        ) from error


def _check_weights(proto: onnx.ModelProto, path: Path) -> None:
    for tensor in messages_of(proto, "TensorProto"):
        if not is_finite(tensor):
            raise TosaEdgeError(
                f"the weight {tensor.name[:60]!a} of {path} holds NaN or infinity",
                "Train or export it again from weights that are whole: with these there is no depth.",
            )
