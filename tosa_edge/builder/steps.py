"""What a build has others do: all that takes a particular machine, minutes or a GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from tosa_edge.builder.candidates import time_engines
from tosa_edge.builder.onnxruntime_builder import optimise
from tosa_edge.calibration import Calibrated, calibrate
from tosa_edge.engine.tensorrt_builder import SerializedEngine, build_serialized_engine
from tosa_edge.engine.this_machine import Machine, tensorrt_module, this_machine
from tosa_edge.plugins.library import load_library
from tosa_edge.validate.after_build import validate_and_record


@dataclass(frozen=True)
class Steps:
    """Any of them may be another, as in tests on a machine without the GPU.

    machine: what is here, for these backends.
    optimise: a graph to an engine of ONNX Runtime on the CPU.
    tensorrt, load_library, build_serialized_engine, time_engines: TensorRT's module by the backend's name,
        our plugin into it, a graph to an engine, and the milliseconds that engines take.
    validate: the manifest with the verdict in it, the report, and notes.
    """

    machine: Callable[[tuple[str, ...]], Machine] = this_machine
    calibrate: Callable[..., Calibrated] = calibrate
    optimise: Callable[..., tuple[bytes, dict[str, Any]]] = optimise
    tensorrt: Callable[[str], ModuleType | None] = tensorrt_module
    load_library: Callable[[ModuleType], None] = load_library
    build_serialized_engine: Callable[..., SerializedEngine] = build_serialized_engine
    time_engines: Callable[..., list[float]] = time_engines
    validate: Callable[..., Any] = validate_and_record
