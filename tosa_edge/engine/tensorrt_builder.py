"""TensorRT and TensorRT-RTX, one builder for both: where their APIs differ it asks the module what it has.

The network is strongly typed: every type comes from the graph, and no precision flag is set. That one path
works from TensorRT 10.3 to 11, where weak typing is gone, and in TensorRT-RTX.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tosa_edge import machine
from tosa_edge.engine import TENSORRT, TENSORRT_RTX
from tosa_edge.engine.compatibility import TITLES
from tosa_edge.engine.gpu import Gpu
from tosa_edge.engine.tensorrt_layers import of_network
from tosa_edge.engine.tensorrt_progress import interruptible, logger, monitor
from tosa_edge.engine.timing_cache import timing_cache
from tosa_edge.errors import MachineLacks, TosaEdgeError

if TYPE_CHECKING:
    from tosa_edge.graph import LoadedGraph

_SHARE_OF_FREE = 0.5  # of a Jetson's memory, which the camera and the rest of the robot live in too


@dataclass(frozen=True)
class SerializedEngine:
    data: bytes
    settings: dict[str, Any]


def build_serialized_engine(
    trt: ModuleType,
    backend: str,
    graph: LoadedGraph,
    targets: tuple[int, ...] = (),
    gpu: Gpu | None = None,
    on_progress: Callable[[float], None] = lambda share: None,
) -> SerializedEngine:
    """The serialised engine of a graph; our plugins must be loaded where it is in plugin form.

    Args:
        trt: the module `tensorrt` or `tensorrt_rtx`.
        targets: compute capabilities as 86; TensorRT-RTX only.
        on_progress: gets the share that is done, 0 to 1.
    """
    from tosa_edge.export.plugin_form import plugin_nodes

    log = logger(trt)
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(graph.bytes()):
        raise TosaEdgeError(
            f"{TITLES[backend]} {trt.__version__} cannot take {graph.label}: {_complaint(parser, log)}",
            "Export it again with `tosa-edge export`; or use --backend onnxruntime.",
        )
    check_plugins(network, graph.label, plugin_nodes(graph.proto))
    config = builder.create_builder_config()
    # TensorFloat-32 keeps 10 bits of a float32: enough to choose other tokens than the model chose.
    config.clear_flag(trt.BuilderFlag.TF32)
    # Else the engine holds the names of its layers alone, and `inspect` could not tell what they became.
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    settings: dict[str, Any] = {"strongly_typed": True, "tf32": False, **of_network(network)}
    if backend == TENSORRT_RTX and allow_decomposition(trt, network):
        settings["attention_decomposable"] = True
    if targets:
        set_targets(trt, config, targets)
    limit = workspace_limit(gpu)
    if limit is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, limit)
        settings["workspace_bytes"] = limit
    progress = monitor(trt, on_progress)
    config.progress_monitor = progress
    with timing_cache(trt, config, gpu if backend == TENSORRT else None):
        plan = interruptible(lambda: builder.build_serialized_network(network, config), progress.stop)
    if plan is None:
        raise _failed(trt, backend, graph.label, log.worst, gpu)
    return SerializedEngine(bytes(plan), settings)


def check_plugins(network: Any, label: str, expected: int) -> None:
    """A portable graph is built of standard layers only: an engine with a plugin needs it to load."""
    kinds = [str(network.get_layer(i).type) for i in range(network.num_layers)]
    plugins = sum("PLUGIN" in kind for kind in kinds)
    if plugins == expected:
        return
    if not expected:
        raise TosaEdgeError(
            f"{label} became {plugins} plugin layers, and the portable form has none",
            "Build it in a process that has loaded no TensorRT plugins.",
        )
    raise TosaEdgeError(
        f"{label} became {plugins} plugin layers, and it has {expected} operators for our plugin",
        "Build the plugin of this tosa-edge, `make plugin`, or use --plugin off.",
    )


def allow_decomposition(trt: ModuleType, network: Any) -> int:
    """Lets every attention be taken apart where it cannot be fused; returns how many there are.

    For TensorRT-RTX, which finishes an engine on the GPU that is to run it: there nobody could build another
    form. TensorRT itself builds on that GPU, and what fails is built in the plain form, with its softmax in
    float32.
    """
    kind = getattr(trt.LayerType, "ATTENTION_INPUT", None)
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    found = [layer for layer in layers if kind is not None and layer.type == kind]
    for layer in found:
        layer.__class__ = trt.IAttentionInputLayer  # get_layer returns the base class
        layer.attention.decomposable = True
    return len(found)


def set_targets(trt: ModuleType, config: Any, targets: tuple[int, ...]) -> None:
    known = known_targets(trt)
    unknown = [sm for sm in targets if sm not in known]
    if unknown:
        raise TosaEdgeError(
            f"TensorRT-RTX {trt.__version__} does not build for compute capability {unknown[0]}",
            f"It builds for: {', '.join(map(str, known))}. Leave --target out for all that it supports.",
        )
    config.num_compute_capabilities = len(targets)
    for index, sm in enumerate(targets):
        config.set_compute_capability(getattr(trt.ComputeCapability, f"SM{sm}"), index)


def known_targets(trt: ModuleType) -> list[int]:
    names = trt.ComputeCapability.__members__
    return sorted(int(name[2:]) for name in names if name.startswith("SM") and name[2:].isdigit())


def workspace_limit(gpu: Gpu | None) -> int | None:
    """Bytes, on a machine whose GPU shares the CPU's memory; elsewhere TensorRT's own limit serves."""
    free = machine.memory_mb().get("available")
    return int(free * 2**20 * _SHARE_OF_FREE) if gpu is not None and gpu.integrated and free else None


def _complaint(parser: Any, log: Any) -> str:
    """The parser's first error, with the node it is about, in one line."""
    if not parser.num_errors:
        return log.worst or "no reason given"
    error = parser.get_error(0)
    where = f" (node {error.node_name()}, {error.node_operator()})" if error.node_name() else ""
    return " ".join(f"{error.desc()}{where}".split())[:400]


def _failed(trt: ModuleType, backend: str, label: str, reason: str, gpu: Gpu | None) -> TosaEdgeError:
    what = f"{TITLES[backend]} {trt.__version__} did not build {label}: {reason or 'no reason given'}"
    short = any(word in reason.lower() for word in ("memory", "alloc"))
    if gpu is not None and gpu.integrated and short:
        free = machine.memory_mb().get("available", 0)
        return MachineLacks(
            what, f"{free:,} MB are free: close other programs, or add swap (8 GB is enough), and try again."
        )
    if backend == TENSORRT_RTX:
        return TosaEdgeError(what, "Try --backend onnxruntime, or another TensorRT-RTX: pip install -U.")
    return TosaEdgeError(what, "Close what else uses the GPU and try again, or use --backend onnxruntime.")
