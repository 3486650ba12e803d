"""A plan to an engine: by TensorRT's own layers, by our plugin, or both, and the faster one first.

A plugin is a barrier to TensorRT's fusing: nobody knows beforehand which is faster on a GPU, so both are
timed on it. Our library is loaded after the native engine is built. A native engine that is built later in
the same process (the plain form, after the attention form) has none of ours either: parsers look for plugins
in the namespace that a node names, and nodes with bodies name none.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tosa_edge.builder.describe import BuildPlan
from tosa_edge.builder.onnxruntime_builder import for_gpu
from tosa_edge.builder.result import BuildProgress
from tosa_edge.engine import ONNXRUNTIME
from tosa_edge.engine.compatibility import TITLES
from tosa_edge.engine.manifest import Plugin
from tosa_edge.engine.providers import CPU
from tosa_edge.engine.select_backend import NATIVE, PLUGIN
from tosa_edge.engine.store import scratch
from tosa_edge.errors import TosaEdgeError
from tosa_edge.plugins import library

if TYPE_CHECKING:
    from tosa_edge.builder.steps import Steps
    from tosa_edge.graph import LoadedGraph
    from tosa_edge.graph_info import GraphInfo

ROUNDS = 50


@dataclass(frozen=True)
class Candidate:
    """`plugin` is the library it needs, `choice` the timing against the other one, where there was one."""

    data: bytes
    settings: dict[str, Any]
    plugin: Plugin | None = None
    choice: dict[str, Any] | None = None


def candidates(engine: Path, plan: BuildPlan, progress: BuildProgress, steps: Steps) -> list[Candidate]:
    """The best first; the next one serves where it fails validation."""
    backend = plan.choice.backend
    if backend == ONNXRUNTIME:
        if plan.choice.provider != CPU:
            return [Candidate(*for_gpu(plan.graph, plan.choice.provider))]
        return [Candidate(*steps.optimise(plan.graph, scratch(engine)))]
    from tosa_edge.calibration import activations_of

    if activations_of(plan.graph.proto) == "unsigned":
        raise TosaEdgeError(
            f"{plan.graph.label} has unsigned activations, which {TITLES[backend]} does not take",
            "Calibrate it again with `tosa-edge calibrate`, whose default form runs on both.",
        )
    trt = steps.tensorrt(backend)
    assert trt is not None  # chosen
    if plan.layer_kinds == (PLUGIN,):
        return [_with_plugin(trt, plan, progress, steps)]
    native = _built(trt, plan, plan.graph, progress, steps, "building")
    if plan.layer_kinds == (NATIVE,):
        return [native]
    try:
        ours = _with_plugin(trt, plan, progress, steps)
        native_ms, plugin_ms = steps.time_engines(trt, (native.data, ours.data), plan.graph.info)
    except TosaEdgeError as error:
        return [
            replace(native, choice={"kept": NATIVE, "plugin_refused": " ".join(error.what.split())[:400]})
        ]
    times = {"native_ms": round(native_ms, 3), "plugin_ms": round(plugin_ms, 3)}
    both = [
        replace(native, choice={"kept": NATIVE, **times}),
        replace(ours, choice={"kept": PLUGIN, **times}),
    ]
    return both if native_ms <= plugin_ms else both[::-1]


def time_engines(trt: ModuleType, engines: Sequence[bytes], info: GraphInfo) -> list[float]:
    """Milliseconds of each on the GPU that is here, medians over rounds in which they take turns."""
    import numpy as np

    from tosa_edge.backends.opening import open_serialized
    from tosa_edge.bench.interleave import Variant, interleave
    from tosa_edge.bench.variant_graph import feeds_for

    feeds = feeds_for(info)
    with ExitStack() as stack:
        variants = []
        for data in engines:
            backend = stack.enter_context(open_serialized(trt, data, info.name))
            variants.append(Variant(info.name, lambda backend=backend: backend.infer(feeds)))  # type: ignore[misc]
        return [float(ms) for ms in np.median(interleave(variants, ROUNDS), axis=0)]


def about_choice(choice: dict[str, Any]) -> str:
    """The timing in one sentence."""
    if "plugin_refused" in choice:
        return f"our plugin is not used: {choice['plugin_refused']}"
    native, ours, kept = choice["native_ms"], choice["plugin_ms"], choice["kept"]
    slower = (kept == PLUGIN) == (ours > native)
    return f"TensorRT's own layers take {native} ms, our plugin {ours} ms: {kept} is kept" + (
        ", because the other failed validation" if slower and native != ours else ""
    )


def _with_plugin(trt: ModuleType, plan: BuildPlan, progress: BuildProgress, steps: Steps) -> Candidate:
    from tosa_edge.export.plugin_form import to_plugin_form

    path = library.find_library()
    assert path is not None  # chosen
    steps.load_library(trt)
    graph = replace(plan.graph, proto=to_plugin_form(plan.graph.proto))
    made = _built(trt, plan, graph, progress, steps, "building with our plugin")
    return replace(made, plugin=Plugin(*library.identity(path)))


def _built(
    trt: ModuleType, plan: BuildPlan, graph: LoadedGraph, progress: BuildProgress, steps: Steps, what: str
) -> Candidate:
    def on_progress(share: float) -> None:
        progress.on_step(what, int(100 * share), 100)

    made = steps.build_serialized_engine(
        trt, plan.choice.backend, graph, plan.targets, plan.machine.gpu, on_progress
    )
    return Candidate(made.data, made.settings)
