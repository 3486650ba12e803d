"""MODEL, however the user names it, to one complete ONNX graph in memory.

A MODEL is a bundled name (`tosa_depth_s`, `tosa_depth_s:g3`), a model folder (`path`, `path:g3`) or one
self-contained `.onnx` file. The graphs of a folder share one `weights.safetensors`, into which their
initializers point by offset. We read those bytes ourselves: onnx refuses hard-linked external data and
every loader refuses a symlink out of the folder, which is how package managers and model hubs lay files
down.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tosa_edge.errors import TosaEdgeError
from tosa_edge.info import KEY, GraphInfo

if TYPE_CHECKING:
    import onnx

ASSETS = Path(__file__).parent / "assets"
DEFAULT_MODEL = "tosa_depth_s"
DEFAULT_VARIANT = "g1"
# How evenly kept tokens lie: what models are trained at, the study starts from and graphs are exported with.
DEFAULT_SPREAD = 8.0
WEIGHTS = "weights.safetensors"
# In the metadata of a graph that a runtime has optimised for one machine: an engine, with a manifest.
ENGINE_MARK = "tosa_engine"


@dataclass(frozen=True)
class LoadedGraph:
    """A graph with all its weights inside, and what it says of itself."""

    proto: onnx.ModelProto
    info: GraphInfo
    label: str

    def bytes(self) -> bytes:
        return self.proto.SerializeToString()


def bundled_models() -> list[str]:
    return sorted(p.parent.name for p in ASSETS.glob(f"*/{WEIGHTS}"))


def find_checkpoint(spec: str) -> Path:
    """The weights that are meant: a file's, a model folder's or a bundled model's."""
    for path in (Path(spec), Path(spec) / WEIGHTS, ASSETS / spec / WEIGHTS):
        if path.is_file():
            return path
    raise TosaEdgeError(
        f"there is no checkpoint {spec!r}",
        f"Give a .safetensors file, a model folder, or one of: {', '.join(bundled_models())}.",
    )


def find_graph(spec: str) -> Path:
    """The `.onnx` file a MODEL means."""
    if Path(spec).is_file():
        return Path(spec)
    name, _, variant = spec.rpartition(":") if ":" in Path(spec).name else (spec, "", "")
    folder = Path(name) if Path(name).is_dir() else ASSETS / name
    if not name or not folder.is_dir():
        raise TosaEdgeError(
            f"there is no model {spec!r}: not a file, not a folder, not a bundled name",
            f"Give a path to an .onnx file or a model folder, or one of: {', '.join(bundled_models())}.",
        )
    graphs = sorted(p.stem for p in folder.glob("*.onnx"))
    if not graphs:
        raise TosaEdgeError(
            f"the folder {folder} holds no graphs",
            "Make a model folder with `tosa-edge export CKPT -o FOLDER`.",
        )
    wanted = variant or (DEFAULT_VARIANT if DEFAULT_VARIANT in graphs else graphs[0])
    if wanted not in graphs:
        raise TosaEdgeError(
            f"{name} has no variant {wanted!r}",
            f"It has: {', '.join(f'{name}:{g}' for g in graphs)}.",
        )
    return folder / f"{wanted}.onnx"


def label_of(path: Path) -> str:
    """A short name for tables and file names: `tosa_depth_s:g1`, or the stem of a file."""
    return f"{path.parent.name}:{path.stem}" if (path.parent / WEIGHTS).exists() else path.stem


def load_graph(spec: str) -> LoadedGraph:
    """Reads, completes and checks the graph a MODEL means.

    Example:
        >>> graph = load_graph("tosa_depth_s:g1")
        >>> graph.info.kept, graph.info.selections
    """
    from tosa_edge.engine.load import is_engine, load_engine_graph

    path = find_graph(spec)
    if is_engine(path):
        return load_engine_graph(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TosaEdgeError(
            f"{path} cannot be read: {error.strerror}", "Check its path and rights."
        ) from error
    graph = graph_from_bytes(data, path)
    if any(p.key == ENGINE_MARK for p in graph.proto.metadata_props):
        return load_engine_graph(path)  # renamed, and away from its manifest: it says so
    return graph


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
