"""MODELs and engines timed against each other, taking turns in one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from tosa_edge import machine
from tosa_edge.backends.opening import OpenedModel, open_model, open_onnxruntime, resolve_provider
from tosa_edge.bench import memory
from tosa_edge.bench.interleave import Variant, interleave, rows
from tosa_edge.bench.power import drawn
from tosa_edge.bench.variant_graph import feeds_for, graph_of, split
from tosa_edge.engine import ONNXRUNTIME
from tosa_edge.engine.providers import AUTO, CPU
from tosa_edge.engine.this_machine import this_machine


def bench(
    specs: Sequence[str],
    rounds: int,
    threads: int = 0,
    on_round: Callable[[int], None] = lambda index: None,
    provider: str = AUTO,
) -> dict[str, object]:
    """Rows for each MODEL; ratios with respect to the first."""
    found = [_open(spec, threads, provider) for spec in specs]
    names = [opened.label for opened in found]
    with ExitStack() as stack:
        variants = [_variant(stack, opened) for opened in found]
        table = rows(names, interleave(variants, rounds, on_round=on_round))
        for row, variant in zip(table, variants, strict=True):
            row.update(drawn(variant.run))
    for row, spec, opened in zip(table, specs, found, strict=True):
        info = opened.info
        # On a GPU most memory is the GPU's, and no system tells what a process has of it.
        row["peak_mb"] = memory.peak_mb(spec, threads) if opened.provider == CPU else None
        row["backend"], row["provider"] = opened.backend_name, opened.provider
        row["size"] = f"{info.height}x{info.width}"
        row["tokens"], row["kept"], row["batch"] = info.tokens, info.kept or info.tokens, info.batch
        row["query_stride"], row["group"] = info.query_stride, info.group
    return {
        "rows": table,
        "baseline": names[0],
        "rounds": rounds,
        "threads": threads or machine.cores(),
        "machine": {**machine.facts(), **_gpu(found)},
    }


def _open(spec: str, threads: int, provider: str) -> OpenedModel:
    if not split(spec)[1]:
        return open_model(spec, threads, provider)
    graph = graph_of(spec)
    return open_onnxruntime(graph, threads, resolve_provider(provider, graph))


def _variant(stack: ExitStack, opened: OpenedModel) -> Variant:
    backend = opened.backend
    backend.activate()
    stack.callback(backend.deactivate)
    feeds = feeds_for(opened.info)
    return Variant(opened.label, lambda: backend.infer(feeds))


def _gpu(found: Sequence[OpenedModel]) -> dict[str, object]:
    """Named where it was measured: the GPU, and the TensorRT that ran on it."""
    backends = sorted({opened.backend_name for opened in found} - {ONNXRUNTIME})
    facts: dict[str, object] = {}
    if any(opened.provider not in (CPU, None) for opened in found):
        here = this_machine((ONNXRUNTIME,))
        facts["gpu"] = here.gpu.name if here.gpu else None
    for backend in backends:
        here = this_machine((backend,))
        facts |= {"gpu": here.gpu.name if here.gpu else None, backend: here.versions[backend]}
    return facts
