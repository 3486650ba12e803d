"""This machine, as an engine sees it."""

from __future__ import annotations

import importlib
import platform
from dataclasses import dataclass, field
from functools import lru_cache
from types import ModuleType

from tosa_edge import machine
from tosa_edge.engine import BACKENDS, GPU_PROVIDERS, ONNXRUNTIME, TENSORRT, TENSORRT_RTX, providers
from tosa_edge.engine.gpu import Gpu, find_gpu, jetpack, module
from tosa_edge.engine.manifest import BuildHost

MODULES = {TENSORRT: "tensorrt", TENSORRT_RTX: "tensorrt_rtx"}


@dataclass(frozen=True)
class Machine:
    """`versions` has None for a backend that is not installed, `providers` for a provider of ONNX Runtime."""

    host: BuildHost
    versions: dict[str, str | None]
    gpu: Gpu | None = None
    plugin_sha256: str | None = None
    providers: dict[str, str | None] = field(default_factory=dict)


@lru_cache
def this_machine(backends: tuple[str, ...] = BACKENDS) -> Machine:
    """Only what bears on `backends` is looked up: drivers and TensorRT are slow to ask."""
    own = {name: providers.version(name) for name in GPU_PROVIDERS}
    gpu = find_gpu() if backends != (ONNXRUNTIME,) or any(own.values()) else None
    if gpu is None and backends == BACKENDS:
        backends = (ONNXRUNTIME,)  # the best of them, then
    versions = {b: machine.onnxruntime_version() if b == ONNXRUNTIME else _version(b) for b in backends}
    return Machine(
        BuildHost(
            arch=platform.machine() or "unknown",
            cpu=machine.cpu_name() or "unknown",
            cpu_features=tuple(machine.cpu_features()),
            onnxruntime=machine.onnxruntime_version(),
            gpu=gpu.name if gpu else None,
            sm=gpu.sm if gpu else None,
            cuda=gpu.cuda if gpu else None,
            driver=gpu.driver if gpu else None,
            jetpack=jetpack(),
            multiprocessors=gpu.multiprocessors if gpu else None,
            module=module() if gpu else None,
        ),
        versions,
        gpu,
        _plugin() if versions.get(TENSORRT) else None,
        own,
    )


def tensorrt_module(backend: str) -> ModuleType | None:
    """TensorRT or TensorRT-RTX; None when it is not there, or its libraries are not."""
    try:
        return importlib.import_module(MODULES[backend])
    except (ImportError, OSError):
        return None


def _plugin() -> str | None:
    """sha256 of our library of TensorRT plugins."""
    from tosa_edge.plugins import library

    path = library.find_library()
    return library.identity(path)[2] if path else None


def _version(backend: str) -> str | None:
    """Of the library itself: JetPack's TensorRT is no package that pip knows in every release."""
    module = tensorrt_module(backend)
    return str(module.__version__) if module else None
