"""Tiny models for the fake TensorRT: as graphs, as backends, and as engines on the disk."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from tests import tiny
from tests.engine import samples
from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.backends.tensorrt import TensorRtBackend
from tosa_edge.engine import TENSORRT
from tosa_edge.engine.manifest import BuildHost
from tosa_edge.engine.names import manifest_path
from tosa_edge.graph import LoadedGraph
from tosa_edge.graph_info import GraphInfo


def graph(about: GraphInfo | None = None) -> LoadedGraph:
    about = about or tiny.selective_info()
    return LoadedGraph(tiny.model(about), about, "tiny")


def reference(about: GraphInfo | None = None) -> OnnxRuntimeBackend:
    return OnnxRuntimeBackend(graph(about), threads=1)


def open_tensorrt(trt: ModuleType, about: GraphInfo | None = None, **options: Any) -> TensorRtBackend:
    def open_engine(data: bytes) -> Any:
        return trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(data)

    return TensorRtBackend(trt, lambda: graph(about).bytes(), open_engine, "tiny", **options)


def engine(folder: Path, about: GraphInfo | None = None, **changes: Any) -> Path:
    """An engine file for the fake machine, and its manifest."""
    loaded = graph(about)
    data, variant = loaded.bytes(), "dense" if loaded.info.dense else "g1"
    variant += ".reuse" if loaded.info.form == "reuse" else ""
    path = folder / f"tiny-{variant}-{tiny.HEIGHT}x{tiny.WIDTH}-b1.fp16.tensorrt.sm87.engine"
    values: dict[str, Any] = {
        "engine_sha256": hashlib.sha256(data).hexdigest(),
        "engine_bytes": len(data),
        "backend": TENSORRT,
        "backend_version": "10.3.0",
        "source": str(folder / "tiny.onnx"),
        "precision": "fp16",
        "host": BuildHost("x86_64", "Xeon", (), None, "Fake", 87, "13.0", "580", None, 8),
    }
    manifest = replace(samples.of_graph(loaded.info), **{**values, **changes})
    path.write_bytes(data)
    manifest_path(path).write_text(manifest.to_json())
    return path
