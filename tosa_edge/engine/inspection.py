"""What is in an engine, and whether it fits this machine: told without opening one that does not."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from tosa_edge.engine import ONNXRUNTIME, rebuild
from tosa_edge.engine.compatibility import EngineFile, compare, of_file
from tosa_edge.engine.layers import Layers, as_dict, of_optimised_graph, unknown
from tosa_edge.engine.load import (
    graph_of_engine,
    manifest_of,
    model_here,
    open_engine,
    read_file,
    tensorrt_module,
)
from tosa_edge.engine.manifest import Manifest
from tosa_edge.engine.names import manifest_path
from tosa_edge.engine.this_machine import Machine, this_machine
from tosa_edge.errors import TosaEdgeError
from tosa_edge.graph import LoadedGraph


def describe_engine(path: Path, machine: Machine | None = None) -> tuple[dict[str, Any], LoadedGraph | None]:
    """The facts, and the graph where the engine is one. Raises for a file that its manifest disowns."""
    manifest = manifest_of(path)
    file, data = read_file(path, manifest)
    for reason in of_file(manifest, file):
        raise TosaEdgeError(f"{path} {reason}", f"Rebuild it: {rebuild.from_manifest(manifest, path)}")
    machine = machine or this_machine((manifest.backend,))
    fit = verdict(manifest, machine, file)
    graph = None
    if manifest.backend == ONNXRUNTIME:
        # Reading a graph is not running it: what another CPU cannot run it can still show.
        graph = graph_of_engine(path, manifest, data)
        layers = of_optimised_graph(graph.proto)
    else:
        layers = _of_tensorrt(path, manifest, data, fit["fits"])
    facts = {
        "model": manifest.model,
        "file": str(path),
        "file_bytes": file.size,
        "manifest_file": str(manifest_path(path)),
        "manifest": asdict(manifest),
        "fit": fit,
        "layers": as_dict(layers),
    }
    return facts, graph


def verdict(manifest: Manifest, machine: Machine, file: EngineFile) -> dict[str, Any]:
    """`fits` this machine or not, why, and the command that makes one that does.

    `elsewhere` is true of an engine that would serve a GPU of its kind, and finds none here.
    """
    model = model_here(manifest)
    found = compare(manifest, machine, file, model)
    if found is None:
        return {"fits": True, "reason": "", "rebuild": "", "elsewhere": False}
    elsewhere = found.lacks and compare(manifest, machine, file, model, to_run=False) is None
    return {"fits": False, "reason": found.reason, "rebuild": found.rebuild, "elsewhere": elsewhere}


def _of_tensorrt(path: Path, manifest: Manifest, data: bytes, fits: bool) -> Layers:
    """From TensorRT itself where the engine may be opened; else as its builder wrote it down."""
    from tosa_edge.engine.tensorrt_layers import of_inspector, of_manifest

    written = of_manifest(manifest.settings)
    if not fits:
        return written
    trt = tensorrt_module(manifest.backend)
    assert trt is not None  # compared
    engine = open_engine(path, manifest, data)
    text = engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
    try:
        return of_inspector(text)
    except ValueError as error:
        return written if written.total else unknown(f"TensorRT's inspector cannot be read: {error}")
