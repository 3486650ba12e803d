"""A manifest and a machine that fit each other, to be spoiled one way at a time."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from tosa_edge.engine import ONNXRUNTIME, TENSORRT, TENSORRT_RTX
from tosa_edge.engine.compatibility import EngineFile
from tosa_edge.engine.gpu import Gpu
from tosa_edge.engine.manifest import BuildHost, Manifest
from tosa_edge.engine.this_machine import Machine
from tosa_edge.graph_info import GraphInfo
from tosa_edge.interface import Port, wanted

DATA = b"an engine, for all that anybody knows"
ORIN = Gpu("Orin", 87, "12.6", "540.4.0", integrated=True, multiprocessors=8)
RTX4070 = Gpu("NVIDIA GeForce RTX 4070", 89, "13.0", "580.10", integrated=False)
XEON = BuildHost("x86_64", "Intel(R) Xeon(R)", ("avx2", "avx512f"), "1.23.2")


def manifest(**changes: object) -> Manifest:
    values: dict = {
        "engine_sha256": hashlib.sha256(DATA).hexdigest(),
        "engine_bytes": len(DATA),
        "backend": ONNXRUNTIME,
        "backend_version": "1.23.2",
        "model": "tosa_depth_s:g1",
        "source": "tosa_depth_s:g1",
        "model_sha256": "1" * 64,
        "precision": "fp32",
        "form": "portable",
        "inputs": (Port("image", "uint8", (1, 252, 336, 3)),),
        "outputs": (Port("depth", "float32", (1, 252, 336)), Port("kept", "int32", (1, 6, 216))),
        "keep": 0.5,
        "query_stride": 8,
        "group": 1,
        "host": XEON,
        "targets": (),
        "settings": {"graph_optimization_level": "all"},
        "built": "2026-01-01T00:00:00+00:00",
        "tosa_edge": "0.1.0",
    }
    return Manifest(**{**values, **changes})


def of_graph(info: GraphInfo) -> Manifest:
    """One that says of a graph what the graph says of itself."""
    same = {name: getattr(info, name) for name in ("form", "keep", "query_stride", "group")}
    inputs, outputs = wanted(info)
    return manifest(graph=info, inputs=inputs, outputs=outputs, **same)


def on_jetson(**changes: object) -> Manifest:
    host = BuildHost(
        "aarch64", "Orin", (), None, "Orin", 87, "12.6", "540.4.0", "L4T 36.4.3", 8, "Jetson Orin Nano"
    )
    return manifest(**{"backend": TENSORRT, "backend_version": "10.3.0", "host": host, **changes})


def for_rtx(**changes: object) -> Manifest:
    return manifest(
        **{"backend": TENSORRT_RTX, "backend_version": "1.7.1.116", "targets": (86, 89), **changes}
    )


def machine(gpu: Gpu | None = None, **changes: object) -> Machine:
    versions = {ONNXRUNTIME: "1.23.2", TENSORRT: "10.3.0", TENSORRT_RTX: "1.7.1.116"}
    return replace(Machine(XEON, versions, gpu), **changes)  # type: ignore[arg-type]


def file(path: str = "e/x.engine", data: bytes = DATA) -> EngineFile:
    return EngineFile(Path(path), len(data), hashlib.sha256(data).hexdigest())
