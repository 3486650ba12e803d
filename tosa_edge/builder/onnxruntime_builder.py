"""The engine that runs anywhere: ONNX Runtime's own optimised graph, saved.

Saved at the highest level, with weights laid out for the vector width of this CPU: that is what makes it
an engine and not a model, and why its manifest names the CPU's features. Opened again it computes, bit for
bit, what the session that saved it computed, and skips most of the work of opening.
"""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.atomic_files import write_error
from tosa_edge.backends.onnxruntime import EXACT_INT8
from tosa_edge.engine.providers import first_line
from tosa_edge.errors import TosaEdgeError
from tosa_edge.graph import ENGINE_MARK

if TYPE_CHECKING:
    import onnx

    from tosa_edge.graph import LoadedGraph

SETTINGS: dict[str, Any] = {"graph_optimization_level": "all", "execution_mode": "sequential"}
# What a layer between Q and DQ becomes when it is computed in integers. Where ONNX Runtime knows no such
# form it computes the layer in float, silently: so they are counted.
_INTEGER = {"MatMulIntegerToFloat", "QLinearMatMul", "QGemm", "QLinearConv", "ConvInteger", "MatMulInteger"}
_FATAL_ONLY = 4


def optimise(graph: LoadedGraph, scratch: Path) -> tuple[bytes, dict[str, Any]]:
    """The optimised graph, functions inlined, and its settings; `scratch` is a free file name."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # it is not run here
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(scratch)
    options.add_session_config_entry(*EXACT_INT8)
    options.log_severity_level = _FATAL_ONLY
    try:
        onnxruntime.InferenceSession(graph.bytes(), options, providers=["CPUExecutionProvider"])
        model = onnx.load_model(scratch, load_external_data=False)
    except OSError as error:
        raise write_error(scratch, error) from error
    except Exception as error:  # its exceptions share no base class below Exception
        if "serialization failed" in str(error).lower():  # all it says of a full disk
            raise write_error(scratch, OSError(errno.ENOSPC, "ONNX Runtime could not save it")) from error
        raise TosaEdgeError(
            f"ONNX Runtime {onnxruntime.__version__} cannot build {graph.label}: {first_line(error)}",
            "Export it again with `tosa-edge export`, or update onnxruntime (see `tosa-edge doctor`).",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink()
    layers = sum(node.op_type in _INTEGER for node in model.graph.node)
    return _marked(model), {**SETTINGS, "integer_layers": layers}


def for_gpu(graph: LoadedGraph, provider: str) -> tuple[bytes, dict[str, Any]]:
    """The graph as it is: a provider for GPUs compiles it when it is loaded, and keeps what it can in its
    cache. It is started once, which shows whether it takes the graph."""
    import onnx

    from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend

    with OnnxRuntimeBackend(graph, provider=provider):
        pass
    model = onnx.ModelProto()
    model.CopyFrom(graph.proto)
    return _marked(model), {**SETTINGS, "compiled": "when loaded"}


def _marked(model: onnx.ModelProto) -> bytes:
    """With a mark in the graph itself: a renamed engine that lost its manifest is still known for one."""
    entry = model.metadata_props.add()
    entry.key, entry.value = ENGINE_MARK, "onnxruntime"
    return model.SerializeToString()
