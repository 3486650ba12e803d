"""Argument by argument: what builder and backend call is what the Python bindings at hand offer.

TensorRT's own bindings import only where its libraries are; TensorRT-RTX's are in the test environment. The
signatures are read from the bindings' documentation, which pybind11 writes from the code.
"""

from __future__ import annotations

import importlib
import re

import pytest

from tosa_edge.backends.tensorrt import _DTYPES

CALLS = {
    "Builder.create_network": ["self", "flags"],
    "Builder.create_builder_config": ["self"],
    "Builder.build_serialized_network": ["self", "network", "config"],
    "OnnxParser.parse": ["self", "model", "path"],
    "OnnxParser.get_error": ["self", "index"],
    "ParserError.desc": ["self"],
    "ParserError.node_name": ["self"],
    "ParserError.node_operator": ["self"],
    "INetworkDefinition.get_layer": ["self", "index"],
    "IBuilderConfig.clear_flag": ["self", "flag"],
    "IBuilderConfig.set_memory_pool_limit": ["self", "pool", "pool_size"],
    "IProgressMonitor.phase_start": ["self", "phase_name", "parent_phase", "num_steps"],
    "IProgressMonitor.phase_finish": ["self", "phase_name"],
    "IProgressMonitor.step_complete": ["self", "phase_name", "step"],
    "ILogger.log": ["self", "severity", "msg"],
    "EngineInspector.get_engine_information": ["self", "format"],
}
RUNTIME = {
    "Runtime.deserialize_cuda_engine": ["self", "serialized_engine"],
    "ICudaEngine.get_tensor_name": ["self", "index"],
    "ICudaEngine.get_tensor_shape": ["self", "name"],
    "ICudaEngine.get_tensor_dtype": ["self", "name"],
    "ICudaEngine.get_tensor_mode": ["self", "name"],
    "IExecutionContext.set_tensor_address": ["self", "name", "memory"],
    "IExecutionContext.execute_async_v3": ["self", "stream_handle"],
}
# TensorRT-RTX alone.
CAPTURABLE = {"IExecutionContext.is_stream_capturable": ["self", "stream"]}
COMPILED = {
    "ICudaEngine.create_runtime_config": ["self"],
    "ICudaEngine.create_execution_context": ["self", "runtime_config"],
    "IRuntimeConfig.create_runtime_cache": ["self"],
    "IRuntimeConfig.set_runtime_cache": ["self", "cache"],
    "IRuntimeCache.serialize": ["self"],
    "IRuntimeCache.deserialize": ["self", "blob"],
}
TIMING = {
    "IBuilderConfig.create_timing_cache": ["self", "serialized_timing_cache"],
    "IBuilderConfig.set_timing_cache": ["self", "cache", "ignore_mismatch"],
    "IBuilderConfig.get_timing_cache": ["self"],
    "ITimingCache.serialize": ["self"],
}
TARGETS = {"IBuilderConfig.set_compute_capability": ["self", "compute_capability", "index"]}
PROPERTIES = (
    "ILayer.type",
    "OnnxParser.num_errors",
    "INetworkDefinition.num_layers",
    "ILayer.get_output",
    "IBuilderConfig.progress_monitor",
    "IBuilderConfig.profiling_verbosity",
    "ProfilingVerbosity.DETAILED",
    "ICudaEngine.create_engine_inspector",
    "LayerInformationFormat.JSON",
    "NetworkDefinitionCreationFlag.STRONGLY_TYPED",
    "BuilderFlag.TF32",
    "MemoryPoolType.WORKSPACE",
    "ICudaEngine.create_execution_context",
    "ICudaEngine.num_io_tensors",
    "TensorIOMode.INPUT",
    *(f"DataType.{name}" for name in _DTYPES),
    "Logger.ERROR",
    "ILogger.Severity",
    "__version__",
)


@pytest.mark.parametrize(
    ("name", "calls", "properties"),
    [
        (
            "tensorrt_rtx",
            CALLS | RUNTIME | CAPTURABLE | COMPILED | TARGETS,
            (*PROPERTIES, "IBuilderConfig.num_compute_capabilities"),
        ),
        ("tensorrt", CALLS | RUNTIME | TIMING, PROPERTIES),
    ],
)
def test_the_bindings_have_what_is_called(name, calls, properties):
    try:
        module = importlib.import_module(name)
    except ImportError:
        pytest.skip(f"{name} is not installed")
    for path, expected in calls.items():
        assert expected in signatures(found(module, path)), path
    for path in properties:
        assert found(module, path) is not None


def found(module, path: str):
    for part in path.split("."):
        module = getattr(module, part)
    return module


def signatures(function) -> list[list[str]]:
    """The parameters of each overload: `name(self: T, flags: int = 0) -> U`."""
    lines = re.findall(rf"{function.__name__}\((self: .*)\) -> ", function.__doc__)
    return [re.findall(r"(?:^|, )(\w+): ", line) for line in lines]
