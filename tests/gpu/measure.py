"""Times on a GPU, in CUDA graphs, and the peaks of the device itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from tosa_edge.plugins.cost import Cost


@dataclass(frozen=True)
class Peaks:
    """Operations and bytes a second, of large products and a large copy."""

    half: float
    single: float
    copy: float

    def floor_ms(self, work: Cost, half: bool) -> float:
        """No kernel can be faster: each unit at its peak, all at the same time."""
        if half:
            seconds = (work.matrix / self.half, work.ordinary / self.single, work.bytes / self.copy)
        else:  # IEEE products: on the ordinary cores as well
            seconds = ((work.matrix + work.ordinary) / self.single, work.bytes / self.copy)  # type: ignore[assignment]
        return 1e3 * max(seconds)


def measured_peaks(side: int = 8192, gigabytes: float = 1.0) -> Peaks:
    torch.backends.cuda.matmul.allow_tf32 = False
    rates = []
    for dtype in (torch.float16, torch.float32):
        a, b = (torch.randn(side, side, device="cuda", dtype=dtype) for _ in range(2))
        out = torch.empty_like(a)
        (ms,) = medians([lambda a=a, b=b, out=out: torch.mm(a, b, out=out)], calls=3)  # type: ignore[misc]
        rates.append(2 * side**3 / ms * 1e3)
    to, source = (torch.empty(int(gigabytes * 1e9), device="cuda", dtype=torch.uint8) for _ in range(2))
    (ms,) = medians([lambda: to.copy_(source)], calls=3)
    return Peaks(rates[0], rates[1], 2 * to.numel() / ms * 1e3)


def medians(calls_of: list[Callable], rounds: int = 20, calls: int = 20) -> list[float]:
    """Milliseconds of each, taking turns, each in a CUDA graph of its own."""
    graphs = []
    stream = torch.cuda.Stream()
    for call in calls_of:
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                call()
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(calls):
                call()
        graphs.append(graph)
    taken: list[list[float]] = [[] for _ in calls_of]
    for _ in range(rounds):
        for graph, times in zip(graphs, taken, strict=True):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            graph.replay()
            end.record()
            end.synchronize()
            times.append(start.elapsed_time(end) / calls)
    return [float(np.median(times)) for times in taken]


def sdpa_backend(heads: int, head_dim: int) -> str:
    """Which attention PyTorch takes for a half-precision q, k and v on this device."""
    q = torch.zeros(1, heads, 64, head_dim, device="cuda", dtype=torch.float16)
    return torch.nn.attention.SDPBackend(torch._fused_sdp_choice(q, q, q)).name
