"""MODEL or engine, however the user names it, to a backend that runs it here."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tosa_edge.backends import Backend
from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.engine import ONNXRUNTIME, TENSORRT_RTX, rebuild
from tosa_edge.engine.compatibility import TITLES
from tosa_edge.engine.load import check_engine, load_graph, manifest_of, open_engine
from tosa_edge.engine.names import is_engine
from tosa_edge.engine.providers import AUTO, CPU, check_choice, select_provider
from tosa_edge.engine.this_machine import tensorrt_module, this_machine
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.find_model import find_graph
from tosa_edge.machine import cache_folder

if TYPE_CHECKING:
    from tosa_edge.backends.tensorrt import TensorRtBackend
    from tosa_edge.engine.manifest import Manifest
    from tosa_edge.graph import LoadedGraph
    from tosa_edge.graph_info import GraphInfo


@dataclass(frozen=True)
class OpenedModel:
    """`backend` is not active yet; `backend_name` is its name in a manifest, and `provider` which part of
    ONNX Runtime computes, where that is the backend."""

    backend: Backend
    info: GraphInfo
    label: str
    backend_name: str
    provider: str | None = None


def open_model(spec: str, threads: int = 0, provider: str = AUTO) -> OpenedModel:
    """MODEL or engine.

    Args:
        threads: of ONNX Runtime, 0 is one for each core.
        provider: of ONNX Runtime, for a MODEL; an engine has that which it was built for.
    """
    path = find_graph(spec)
    if is_engine(path):
        manifest = manifest_of(path)
        refuse_other_provider(path, manifest, provider)
        if manifest.backend != ONNXRUNTIME:
            return open_tensorrt(path, manifest)
        return open_onnxruntime(load_graph(spec), threads, provider_of(manifest))
    graph = load_graph(spec)
    return open_onnxruntime(graph, threads, resolve_provider(provider, graph))


def open_onnxruntime(graph: LoadedGraph, threads: int = 0, provider: str = CPU) -> OpenedModel:
    backend = OnnxRuntimeBackend(graph, threads, provider=provider)
    return OpenedModel(backend, graph.info, graph.label, ONNXRUNTIME, provider)


def resolve_provider(provider: str, graph: LoadedGraph) -> str:
    """The provider that `auto` comes to with this graph, or the one asked for; what there is to say of it is
    logged."""

    def starts(provider: str) -> None:
        with OnnxRuntimeBackend(graph, provider=provider):
            pass

    found, notes = select_provider(provider, starts)
    for note in notes:
        logging.getLogger("tosa_edge").warning("%s", note)
    return found


def provider_of(manifest: Manifest) -> str:
    return manifest.provider.name if manifest.provider else CPU


def refuse_other_provider(path: Path, manifest: Manifest, asked: str) -> None:
    """An engine runs on what it was built for and validated on."""
    check_choice(asked)
    if asked == AUTO or (manifest.backend == ONNXRUNTIME and asked == provider_of(manifest)):
        return
    theirs = TITLES[manifest.backend]
    if manifest.backend == ONNXRUNTIME:
        theirs += f" with --provider {provider_of(manifest)}"
    raise TosaEdgeError(
        f"{path} is an engine for {theirs}, and --provider {asked} was asked for",
        f"Leave --provider out, or build another: tosa-edge build {manifest.source} --provider {asked}.",
    )


def open_tensorrt(path: Path, manifest: Manifest) -> OpenedModel:
    """An engine in a file, of either TensorRT; it is compared with this machine when it is activated."""
    from tosa_edge.backends.tensorrt import TensorRtBackend

    info = info_of(path, manifest)
    trt = tensorrt_module(manifest.backend)
    if trt is None:
        check_engine(path)  # which says what is missing, and what to do
        raise MachineLacks(f"{path} cannot be opened here", "See `tosa-edge doctor`.")
    backend = TensorRtBackend(
        trt,
        lambda: check_engine(path),
        lambda manifest_and_data: open_engine(path, *manifest_and_data),
        path.stem,
        cache=(lambda: runtime_cache_file(manifest)) if manifest.backend == TENSORRT_RTX else None,
    )
    return OpenedModel(backend, info, path.stem, manifest.backend)


def runtime_cache_file(manifest: Manifest) -> Path:
    """Its name holds all that TensorRT-RTX compiles for: itself, the GPU, its driver, and the engine."""
    gpu = this_machine((manifest.backend,)).gpu
    assert gpu is not None  # compared
    words = (manifest.backend, manifest.backend_version, gpu.name, gpu.driver or gpu.cuda)
    name = "-".join(re.sub(r"[^\w.]+", "-", word) for word in (*words, manifest.engine_sha256[:16]))
    return cache_folder() / f"{name}.compiled"


def open_serialized(trt: ModuleType, engine: bytes, label: str) -> TensorRtBackend:
    """An engine that was just built here, and is in no file."""
    from tosa_edge.backends.tensorrt import TensorRtBackend

    def open_engine(data: bytes) -> Any:
        engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(data)
        if engine is None:
            raise TosaEdgeError(f"TensorRT {trt.__version__} refuses what it has just built", "See its log.")
        return engine

    return TensorRtBackend(trt, lambda: engine, open_engine, label)


def info_of(path: Path, manifest: Manifest) -> GraphInfo:
    """What the graph said of itself."""
    if manifest.graph is None:
        raise TosaEdgeError(
            f"the manifest of {path} does not say what the engine computes",
            f"Rebuild it: {rebuild.from_manifest(manifest, path)}",
        )
    return manifest.graph
