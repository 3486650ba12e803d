"""From disk: a graph completed, an engine compared with this machine before any runtime sees it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tosa_edge.engine import ONNXRUNTIME, rebuild
from tosa_edge.engine.build_source import source_of
from tosa_edge.engine.compatibility import TITLES, EngineFile, Mismatch, compare
from tosa_edge.engine.manifest import Manifest, NewerFormat, read_manifest
from tosa_edge.engine.names import is_engine, manifest_path
from tosa_edge.engine.this_machine import Machine, tensorrt_module, this_machine
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.files import read_bytes, sha256_of
from tosa_edge.find_model import find_graph
from tosa_edge.graph import LoadedGraph, graph_from_bytes, read_graph


def load_graph(spec: str) -> LoadedGraph:
    """Reads, completes and checks the graph a MODEL or an engine of ONNX Runtime means.

    Example:
        >>> graph = load_graph("tosa_depth_s:g1")
        >>> graph.info.kept, graph.info.selections
    """
    path = find_graph(spec)
    if is_engine(path):
        return load_engine_graph(path)
    graph = read_graph(path)
    if graph.is_engine:
        return load_engine_graph(path)  # renamed, and away from its manifest: it says so
    return graph


def check_engine(
    path: Path, machine: Machine | None = None, precision: str | None = None, to_run: bool = True
) -> tuple[Manifest, bytes]:
    """The manifest and the engine's bytes, which match its digest; or an error with the rebuild command."""
    manifest = manifest_of(path)
    file, data = read_file(path, manifest)
    machine = machine or this_machine((manifest.backend,))
    found = compare(manifest, machine, file, model_here(manifest), precision, to_run)
    if found:
        raise _as_error(found)
    return manifest, data


def read_file(path: Path, manifest: Manifest) -> tuple[EngineFile, bytes]:
    """What lies there, and its bytes where its size is the right one."""
    try:
        size = path.stat().st_size
        data = read_bytes(path) if size == manifest.engine_bytes else b""
    except OSError as error:
        raise TosaEdgeError(
            f"{path} cannot be read: {error.strerror}",
            f"Build it: {rebuild.from_manifest(manifest, path)}",
        ) from error
    return EngineFile(path, size, hashlib.sha256(data).hexdigest() if data else None), data


def load_engine(path: Path) -> LoadedGraph | Any:
    """The graph of an ONNX Runtime engine; TensorRT's own engine object for the others."""
    manifest, data = check_engine(path)
    if manifest.backend == ONNXRUNTIME:
        return graph_of_engine(path, manifest, data)
    return open_engine(path, manifest, data)


def graph_of_engine(path: Path, manifest: Manifest, data: bytes) -> LoadedGraph:
    """Of ONNX Runtime; raises where the manifest says of it what the graph itself does not."""
    graph = graph_from_bytes(data, path)
    try:
        manifest.check(graph.info, "the engine itself")
    except ValueError as error:
        raise TosaEdgeError(
            f"the manifest of {path} is not true: {error}",
            f"Rebuild it: {rebuild.from_manifest(manifest, path)}",
        ) from error
    return graph


def open_engine(path: Path, manifest: Manifest, data: bytes) -> Any:
    """TensorRT's engine object; only for one that was compared with this machine."""
    trt = tensorrt_module(manifest.backend)
    assert trt is not None  # compared
    if manifest.plugin is not None:
        from tosa_edge.plugins.library import load_library

        load_library(trt)
    engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(data)
    if engine is None:
        raise TosaEdgeError(
            f"{TITLES[manifest.backend]} {manifest.backend_version} refuses {path}",
            f"Rebuild it: {rebuild.from_manifest(manifest, path)}",
        )
    return engine


def load_engine_graph(path: Path) -> LoadedGraph:
    """An engine where a graph is wanted: ONNX Runtime's is one, TensorRT's is not."""
    manifest = manifest_of(path)
    if manifest.backend == ONNXRUNTIME:
        return load_engine(path)
    check_engine(path)
    raise TosaEdgeError(
        f"{path} is an engine of {TITLES[manifest.backend]}, and this takes the graph itself",
        f"Give its model: {manifest.source}.",
    )


def model_here(manifest: Manifest) -> str | None:
    """sha256 of the MODEL the engine was built from, where it is on this machine too."""
    try:
        return sha256_of(source_of(manifest))
    except (TosaEdgeError, OSError):
        return None


def manifest_of(path: Path) -> Manifest:
    beside, again = manifest_path(path), rebuild.from_name(path)
    if not beside.is_file():
        raise TosaEdgeError(
            f"{path} is an engine without its manifest {beside.name}, so nothing tells whether it fits here",
            f"Put the manifest back beside it, or rebuild: {again}",
        )
    try:
        return read_manifest(beside)
    except NewerFormat:
        raise TosaEdgeError(
            f"{beside} was written by a newer tosa-edge than this one",
            f"Update: pip install --upgrade tosa-edge. Or rebuild with this one: {again}",
        ) from None
    except TosaEdgeError as error:
        raise TosaEdgeError(error.what, f"Rebuild the engine: {again}") from error


def _as_error(found: Mismatch) -> TosaEdgeError:
    if found.lacks:
        return MachineLacks(found.reason, f"For the CPU of this machine: {found.rebuild}")
    return TosaEdgeError(found.reason, f"Rebuild it: {found.rebuild}")
