"""What is to be validated: an engine with its manifest, or a graph as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.engine import ONNXRUNTIME
from tosa_edge.engine.compatibility import TITLES
from tosa_edge.engine.host import tensorrt_module, this_machine
from tosa_edge.engine.load import check_engine, load_graph
from tosa_edge.engine.names import is_engine
from tosa_edge.engine.source import precision_of
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.graph import LoadedGraph, graph_from_bytes
from tosa_edge.model import find_graph
from tosa_edge.validate.bisect import Tensor, marked, shown, stream
from tosa_edge.validate.peers import graph_of
from tosa_edge.validate.runners import on_onnxruntime, on_tensorrt

if TYPE_CHECKING:
    from tosa_edge.engine.manifest import Manifest
    from tosa_edge.info import GraphInfo


@dataclass(frozen=True)
class Subject:
    """`source` is the MODEL it came from, which names its reference; `own` the graph it was made of.

    runner: gives a runner of it as it is.
    revealing: gives a runner that also has the tensors of the residual stream among its outputs, those
        tensors, and the graph to write down for whoever wants to run the same (None: the file itself).
    """

    path: Path
    label: str
    info: GraphInfo
    precision: str
    backend: str
    source: str
    own: LoadedGraph | None
    runner: Callable[[], Any]
    revealing: Callable[[], tuple[Any, list[Tensor], LoadedGraph | None]]


def find_subject(spec: str, reference: str | None = None) -> Subject:
    """An engine that fits this machine, or the graph a MODEL means."""
    path = find_graph(spec)
    if not is_engine(path):
        return of_graph(load_graph(spec), path)
    manifest, data = _fit(path)
    return of_engine(path, manifest, data, graph_of(manifest, reference))


def of_graph(graph: LoadedGraph, path: Path) -> Subject:
    """Run as `tosa-edge run` would: optimised by ONNX Runtime when it is loaded."""
    if graph.info.form == "plugin":
        raise TosaEdgeError(
            f"{graph.label} is in plugin form, which ONNX Runtime cannot compute",
            "Validate its portable form, or an engine that was built from it.",
        )
    return _on_onnxruntime(path, graph, precision_of(graph), str(path), graph)


def of_engine(path: Path, manifest: Manifest, data: bytes, own: LoadedGraph | None) -> Subject:
    """An engine whose manifest was compared with this machine, and whose bytes with the manifest.

    Args:
        own: the graph it was built from.
    """
    if manifest.backend == ONNXRUNTIME:
        graph = graph_from_bytes(data, path)
        return _on_onnxruntime(path, graph, manifest.precision, manifest.source, own)
    if own is None:
        raise TosaEdgeError(
            f"the graph {path} was built from is not here any more, and the engine alone does not tell it",
            f"Put {manifest.source} back as it was, or build the engine again.",
        )

    def revealing() -> tuple[Any, list[Tensor], LoadedGraph | None]:
        tensors = stream(own.proto)
        graph = marked(own, tensors)
        return on_tensorrt(_built(graph, manifest), manifest.backend, path.name), tensors, graph

    return Subject(
        path,
        path.name,
        own.info,
        manifest.precision,
        manifest.backend,
        manifest.source,
        own,
        lambda: on_tensorrt(data, manifest.backend, path.name),
        revealing,
    )


def _on_onnxruntime(
    path: Path, graph: LoadedGraph, precision: str, source: str, own: LoadedGraph | None
) -> Subject:
    def revealing() -> tuple[Any, list[Tensor], LoadedGraph | None]:
        tensors = shown(graph, stream(own.proto)) if own is not None else []
        return on_onnxruntime(marked(graph, tensors)), tensors, None

    return Subject(
        path,
        graph.label,
        graph.info,
        precision,
        ONNXRUNTIME,
        source,
        own,
        lambda: on_onnxruntime(graph),
        revealing,
    )


def _fit(path: Path) -> tuple[Manifest, bytes]:
    """Compared first, opened second. An engine for a GPU that is not here is whole, and no more is known."""
    try:
        return check_engine(path)
    except MachineLacks as error:
        manifest, _ = check_engine(path, to_run=False)
        if this_machine((manifest.backend,)).gpu is not None:
            raise
        raise MachineLacks(
            f"{path} was built and parsed, not run: "
            f"this machine has no NVIDIA GPU for {TITLES[manifest.backend]}",
            f"Validate it on the machine it is for: tosa-edge validate {path.name}.",
        ) from error


def _built(graph: LoadedGraph, manifest: Manifest) -> bytes:
    """The engine once more, with what the graph has for outputs by now."""
    from tosa_edge.engine.tensorrt_builder import build_plan

    trt = tensorrt_module(manifest.backend)
    assert trt is not None  # it has run the engine
    gpu = this_machine((manifest.backend,)).gpu
    return build_plan(trt, manifest.backend, graph, manifest.targets, gpu).data
