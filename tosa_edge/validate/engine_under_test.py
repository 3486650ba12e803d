"""What is to be validated: an engine with its manifest, or a graph as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tosa_edge.backends import Backend
from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.backends.opening import (
    OpenedModel,
    open_onnxruntime,
    open_serialized,
    open_tensorrt,
    provider_of,
    refuse_other_provider,
    resolve_provider,
)
from tosa_edge.engine import ONNXRUNTIME
from tosa_edge.engine.build_source import precision_of
from tosa_edge.engine.compatibility import TITLES
from tosa_edge.engine.load import check_engine, load_engine_graph, load_graph, manifest_of
from tosa_edge.engine.names import is_engine
from tosa_edge.engine.providers import AUTO, CPU
from tosa_edge.engine.this_machine import tensorrt_module, this_machine
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.export.attention_form import OPERATOR, to_attention_form
from tosa_edge.export.plugin_form import to_plugin_form
from tosa_edge.find_model import find_graph
from tosa_edge.graph import LoadedGraph
from tosa_edge.plugins.library import load_library
from tosa_edge.validate.bisect import LayerTensor, residual_stream, tensors_present, with_layer_tensors
from tosa_edge.validate.references import graph_of

if TYPE_CHECKING:
    from tosa_edge.engine.manifest import Manifest
    from tosa_edge.graph_info import GraphInfo


@dataclass(frozen=True)
class EngineUnderTest:
    """`opened` is what `tosa-edge run` would open, and is what is judged.

    source: the MODEL it came from, which names its reference.
    own: the graph it was made of, where that is here.
    graph: what ONNX Runtime computes, where it is the backend.
    manifest: of an engine.
    """

    path: Path
    opened: OpenedModel
    precision: str
    source: str
    own: LoadedGraph | None
    graph: LoadedGraph | None = None
    manifest: Manifest | None = None

    @property
    def label(self) -> str:
        return self.opened.label

    @property
    def info(self) -> GraphInfo:
        return self.opened.info

    @property
    def backend(self) -> str:
        return self.opened.backend_name

    @property
    def provider(self) -> str | None:
        return self.opened.provider

    def with_layer_outputs(self) -> tuple[Backend, list[LayerTensor], LoadedGraph | None]:
        """A backend that also gives the tensors of the residual stream, those tensors, and the graph to write
        down for whoever wants to run the same (None: the file itself)."""
        if self.graph is not None:
            tensors = (
                tensors_present(self.graph, residual_stream(self.own.proto)) if self.own is not None else []
            )
            provider = self.provider or CPU
            return (
                OnnxRuntimeBackend(with_layer_tensors(self.graph, tensors), provider=provider),
                tensors,
                None,
            )
        assert self.own is not None  # see `of_engine`
        assert self.manifest is not None
        tensors = residual_stream(self.own.proto)
        graph = with_layer_tensors(self.own, tensors)
        if self.manifest.settings.get("attention") == OPERATOR:
            graph = replace(graph, proto=to_attention_form(graph.proto))
        return _built(graph, self.manifest, self.label), tensors, graph


def find_engine_under_test(spec: str, reference: str | None = None, provider: str = AUTO) -> EngineUnderTest:
    """An engine that fits this machine, or the graph a MODEL means."""
    path = find_graph(spec)
    if not is_engine(path):
        graph = load_graph(spec)
        return of_graph(graph, path, resolve_provider(provider, graph))
    manifest = manifest_of(path)
    refuse_other_provider(path, manifest, provider)
    if manifest.backend != ONNXRUNTIME:
        _refuse_elsewhere(path, manifest)
    return of_engine(path, manifest, graph_of(manifest, reference))


def of_graph(graph: LoadedGraph, path: Path, provider: str = CPU) -> EngineUnderTest:
    """Run as `tosa-edge run` would: optimised by ONNX Runtime when it is loaded."""
    if graph.info.form == "plugin":
        raise TosaEdgeError(
            f"{graph.label} is in plugin form, which ONNX Runtime cannot compute",
            "Validate its portable form, or an engine that was built from it.",
        )
    opened = open_onnxruntime(graph, provider=provider)
    return EngineUnderTest(path, opened, precision_of(graph), str(path), graph, graph)


def of_engine(path: Path, manifest: Manifest, own: LoadedGraph | None) -> EngineUnderTest:
    """An engine on the disk.

    Args:
        own: the graph it was built from.
    """
    if manifest.backend == ONNXRUNTIME:
        graph = load_engine_graph(path)
        opened = open_onnxruntime(graph, provider=provider_of(manifest))
        return EngineUnderTest(path, opened, manifest.precision, manifest.source, own, graph, manifest)
    if own is None:
        raise TosaEdgeError(
            f"the graph {path} was built from is not here any more, and the engine alone does not tell it",
            f"Put {manifest.source} back as it was, or build the engine again.",
        )
    opened = open_tensorrt(path, manifest)
    return EngineUnderTest(path, opened, manifest.precision, manifest.source, own, manifest=manifest)


def _refuse_elsewhere(path: Path, manifest: Manifest) -> None:
    """Checks compatibility before opening. Without the engine's GPU only its integrity can be checked."""
    try:
        check_engine(path)
    except MachineLacks as error:
        check_engine(path, to_run=False)
        if this_machine((manifest.backend,)).gpu is not None:
            raise
        raise MachineLacks(
            f"{path} was built and parsed, not run: "
            f"this machine has no NVIDIA GPU for {TITLES[manifest.backend]}",
            f"Validate it on the machine it is for: tosa-edge validate {path.name}.",
        ) from error


def _built(graph: LoadedGraph, manifest: Manifest, label: str) -> Backend:
    """The engine once more, of the same layers, with what the graph has for outputs by now."""
    from tosa_edge.engine.tensorrt_builder import build_serialized_engine

    trt = tensorrt_module(manifest.backend)
    assert trt is not None  # it has run the engine
    if manifest.plugin is not None:
        load_library(trt)
        graph = replace(graph, proto=to_plugin_form(graph.proto))
    gpu = this_machine((manifest.backend,)).gpu
    made = build_serialized_engine(trt, manifest.backend, graph, manifest.targets, gpu)
    return open_serialized(trt, made.data, label)
