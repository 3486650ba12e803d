"""Where the time goes: ONNX Runtime's own profile, added up by operator type.

Profiling slows every operator a little, so these times explain the ratios; they do not replace them.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.bench.variant_graph import feeds_for
from tosa_edge.engine.providers import CPU
from tosa_edge.graph import LoadedGraph

_KERNEL = "_kernel_time"


def profile(
    graph: LoadedGraph, threads: int = 0, runs: int = 10, provider: str = CPU
) -> list[dict[str, object]]:
    """Rows of `op`, `ms` and `nodes` for one run, and `share` of the whole; the largest first."""
    feeds = feeds_for(graph.info)
    with tempfile.TemporaryDirectory() as folder:
        backend = OnnxRuntimeBackend(graph, threads, profile=Path(folder) / "profile", provider=provider)
        with backend:
            for _ in range(runs + 1):
                backend.infer(feeds)
        assert backend.profile_path is not None
        events = json.loads(backend.profile_path.read_text())
    return by_operator(events, runs + 1)


def by_operator(events: list[dict[str, Any]], runs: int) -> list[dict[str, object]]:
    """Adds up `runs` runs, without the first of each node, which takes memory."""
    durations: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(_KERNEL):
            durations[event["args"]["op_name"], event["name"]].append(event["dur"] / 1000)
    totals: dict[str, float] = defaultdict(float)
    nodes: dict[str, int] = defaultdict(int)
    for (op, _), taken in durations.items():
        # Unnamed nodes of one type share a name; then there are several times in each run.
        each = max(1, len(taken) // runs)
        steady = taken[each:] or taken
        totals[op] += sum(steady) / (len(steady) / each)
        nodes[op] += each
    whole = sum(totals.values()) or 1.0
    ordered = sorted(totals.items(), key=lambda item: -item[1])
    return [
        {"op": op, "ms": round(ms, 3), "share": round(ms / whole, 4), "nodes": nodes[op]}
        for op, ms in ordered
    ]
