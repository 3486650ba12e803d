"""MODEL and a precision, to the graph that is to be built."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tosa_edge.engine import PRECISIONS
from tosa_edge.engine.forms import form_for
from tosa_edge.engine.names import is_engine
from tosa_edge.errors import TosaEdgeError
from tosa_edge.find_model import ASSETS, WEIGHTS, find_graph
from tosa_edge.graph import LoadedGraph, read_graph

if TYPE_CHECKING:
    from tosa_edge.engine.manifest import Manifest
    from tosa_edge.graph_info import GraphInfo

_HALF, _ATTENTION = ".fp16", ".attn"


def find_source(spec: str, precision: str | None = None, half_rest: bool = False) -> Path:
    """The `.onnx` file of that precision: `NAME.fp16.onnx` stands beside `NAME.onnx`.

    INT8 starts from float32, unless the file is INT8 itself, or what is not INT8 is to be half (`half_rest`).
    """
    path = find_graph(spec)
    if precision is None or (precision == "fp16" and path.stem.endswith(_ATTENTION)):
        return path
    half = precision == "fp16" or (precision == "int8" and half_rest)
    wanted = path.with_name(f"{_base(path)}{_HALF if half else ''}.onnx")
    return wanted if wanted.is_file() else path


def rest_is_half(backend: str, provider: str, calibrated: bool) -> bool:
    """What int8 is mixed with; a MODEL that is int8 already was mixed before."""
    return calibrated and form_for(backend, None, "int8", provider).half


def source_of(manifest: Manifest, spec: str | None = None) -> Path:
    """The file an engine was built from, if it is here; `spec` where the model is elsewhere now."""
    provider = manifest.provider.name if manifest.provider else ""
    half = rest_is_half(manifest.backend, provider, manifest.calibration is not None)
    return find_source(spec or manifest.source, manifest.precision, half)


def load_source(path: Path, precision: str | None, calibrated: bool) -> tuple[LoadedGraph, str]:
    """The graph in `path`, and the precision it is to be built in."""
    if is_engine(path) or (graph := read_graph(path)).is_engine:
        raise TosaEdgeError(
            f"{path} is an engine already", "Give the MODEL it was built from: a name, a folder or a graph."
        )
    found = precision_of(graph)
    wanted = precision or found
    if graph.info.form == "plugin" or _needs_plugin(graph):
        raise TosaEdgeError(
            f"{graph.label} is in plugin form, which is for other programs: this one makes its own",
            "Give the portable form, with --plugin on: tosa-edge export CKPT -o FILE.onnx.",
        )
    if wanted == "int8" and found != "int8" and not calibrated:
        raise TosaEdgeError(
            "int8 needs pictures like those the robot will see, to learn the ranges from",
            "Give a folder or a video with --calib PATH, or a MODEL that `tosa-edge calibrate` made.",
        )
    if calibrated and wanted != "int8":
        raise TosaEdgeError(f"--calib has no use at {wanted}", "Add --precision int8, or leave --calib out.")
    if calibrated and found == "int8":
        raise TosaEdgeError(
            f"{graph.label} is int8 already, and calibration starts from float32 or float16",
            "Give the graph it was made from with --calib, or leave --calib out.",
        )
    if wanted not in (found, "int8"):
        raise TosaEdgeError(
            f"{graph.label} is {found}, and there is no {wanted} graph beside it",
            f"Export one: tosa-edge export CKPT -o {_base(path)}{_HALF if wanted == 'fp16' else ''}.onnx"
            f" --precision {wanted}."
            if wanted in ("fp16", "fp32")
            else f"Choose one of: {', '.join(PRECISIONS)}.",
        )
    return graph, wanted


def precision_of(graph: LoadedGraph) -> str:
    """Seen in the graph itself: whoever quantises may not say so in the metadata."""
    if any(node.op_type == "DequantizeLinear" for node in graph.proto.graph.node):
        return "int8"
    return graph.info.precision


def rebuild_source(path: Path) -> str:
    """MODEL as it works from any folder: the bundled name, or the whole path; without the precision."""
    base = path.stem if path.stem.endswith(_ATTENTION) else _base(path)
    if path.parent.parent == ASSETS and (path.parent / WEIGHTS).exists():
        return f"{path.parent.name}:{base}"
    full = path.with_name(f"{base}.onnx")
    return str((full if full.is_file() else path).absolute())


def model_and_variant(path: Path, info: GraphInfo) -> tuple[str, str]:
    """The first two parts of an engine's name."""
    in_folder = (path.parent / WEIGHTS).exists()
    model = path.parent.name if in_folder else _base(path)
    represented = _base(path) if in_folder else "represented"
    variant = represented if info.ways else f"g{info.group}" if info.selects else "dense"
    return model, f"{variant}.reuse" if info.form == "reuse" else variant


def _base(path: Path) -> str:
    return path.stem.removesuffix(_ATTENTION).removesuffix(_HALF)


def _needs_plugin(graph: LoadedGraph) -> bool:
    """A `tosa` operator without a body: TensorRT-RTX ends the process on one."""
    bodies = {f.name for f in graph.proto.functions if f.domain == "tosa"}
    return any(node.domain == "tosa" and node.op_type not in bodies for node in graph.proto.graph.node)
