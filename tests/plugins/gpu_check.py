"""The kernels on a GPU: right or not, and how fast beside PyTorch's own; `make gpu-check`.

Speed is the median of CUDA events around a CUDA graph of twenty calls; the kernel and its yardstick take
turns in one run, and a ratio is the kernel's time by the yardstick's. Limits hold where the GPU has enough to
do (N = 4096, or batch 16 at 1369). `--tiny`, with TRITON_INTERPRET=1, walks the same way on a CPU and times
nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from tests.plugins.test_operators import assert_as_good_as_torch, random_index
from tosa_edge.nn import operators, tosa

HEADS, HEAD_DIM, KEEP = 6, 64, 0.5
SIZES, BATCHES = (432, 1369, 4096), (1, 16)
LIMITS = {"importance_1": 3.0, "importance_8": 0.4, "attention": 1 / 0.8, "gather": 1.25, "scatter": 1.25}


class Case:
    """Every operator at one size, and beside it what PyTorch needs for comparable work."""

    def __init__(self, tokens: int, batch: int, dtype: torch.dtype, device: str) -> None:
        rng = np.random.default_rng(tokens + batch)
        kept, width = max(1, round(KEEP * tokens)), HEADS * HEAD_DIM

        def random(*shape: int) -> torch.Tensor:
            return torch.from_numpy(rng.standard_normal(shape, np.float32)).to(device, dtype)

        x, qkv, chosen = (
            random(batch, tokens, width),
            random(batch, tokens, 3 * width),
            random(batch, kept, width),
        )
        weight, bias, gamma = random(3, width)
        convolutions = random(2 * HEADS, HEADS), random(2 * HEADS), random(HEADS, 2 * HEADS)
        index = torch.from_numpy(random_index(rng, batch, tokens, kept)).to(device)
        shape = {"num_heads": HEADS, "scale": HEAD_DIM**-0.5}
        kept_qkv = qkv[:, :kept].contiguous()
        full, few = self.sdpa(qkv), self.sdpa(kept_qkv)
        # A copy moves each byte twice, read and written: gather reads 1 and writes 2, scatter moves 2.5 of x.
        third = [torch.empty(chosen.numel() * 3 // 2, device=device, dtype=dtype) for _ in range(2)]
        half = [torch.empty(x.numel() + chosen.numel() // 2, device=device, dtype=dtype) for _ in range(2)]
        self.work: dict[str, tuple[Callable, tuple, dict, Callable]] = {
            "gather": (
                tosa.gather_tokens,
                (x, index, weight, bias),
                {"epsilon": 1e-6},
                lambda: third[0].copy_(third[1]),
            ),
            "attention": (tosa.selective_attention, (kept_qkv,), shape, few),
            "scatter": (
                tosa.scatter_tokens,
                (x, index, chosen, chosen, gamma),
                {},
                lambda: half[0].copy_(half[1]),
            ),
        }
        for stride in (1, 8):
            attributes = {**shape, "query_stride": stride}
            self.work[f"importance_{stride}"] = (
                tosa.learned_importance,
                (qkv, *convolutions),
                attributes,
                full,
            )

    @staticmethod
    def sdpa(qkv: torch.Tensor) -> Callable:
        q, k, v = (part.contiguous() for part in tosa.split_heads(qkv, HEADS))
        return lambda: F.scaled_dot_product_attention(q, k, v)


def check(form: Callable, tensors: tuple, attributes: dict[str, Any]) -> bool:
    """Is the kernel at most twice as far from float64 as PyTorch is in the same precision?"""
    # One picture of the batch: float64's maps are large. Weights have no batch and stay whole.
    first = [t[:1] if t.dim() == 3 or t.dtype == torch.int32 else t for t in tensors]
    exact = [t.double() if t.is_floating_point() else t for t in first]
    plain = form.__wrapped__  # type: ignore[attr-defined]
    results = []
    for function, given in ((form, tensors), (plain, first), (plain, exact)):
        out = function(*given, **attributes)
        results.append([o[:1].cpu().numpy() for o in (out if isinstance(out, tuple) else (out,))])
    try:
        assert_as_good_as_torch(*results)
    except AssertionError:
        return False
    return True


def medians(pair: list[Callable], rounds: int = 20, calls: int = 20) -> list[float]:
    """Milliseconds of each, taking turns, each in a CUDA graph of its own."""
    graphs = []
    for call in pair:
        for _ in range(3):
            call()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(calls):
                call()
        graphs.append(graph)
    taken: list[list[float]] = [[] for _ in pair]
    for _ in range(rounds):
        for graph, times in zip(graphs, taken, strict=True):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            graph.replay()
            end.record()
            end.synchronize()
            times.append(start.elapsed_time(end) / calls)
    return [float(np.median(times)) for times in taken]


@torch.no_grad()
def rows(tiny: bool) -> list[dict[str, Any]]:
    device = "cpu" if tiny else "cuda"
    found = []
    for dtype in (torch.float16, torch.float32):
        for tokens in (20,) if tiny else SIZES:
            for batch in (1,) if tiny else BATCHES:
                for name, (form, tensors, attributes, yardstick) in Case(
                    tokens, batch, dtype, device
                ).work.items():
                    row: dict[str, Any] = {
                        "name": name,
                        "tokens": tokens,
                        "batch": batch,
                        "dtype": str(dtype),
                    }
                    row["correct"] = check(form, tensors, attributes)
                    if not tiny:
                        ours = lambda f=form, t=tensors, a=attributes: f(*t, **a)  # noqa: E731
                        row["ms"], row["yardstick_ms"] = medians([ours, yardstick])
                        row["ratio"] = row["ms"] / row["yardstick_ms"]
                        if dtype == torch.float16 and (tokens == 4096 or (tokens, batch) == (1369, 16)):
                            row["limit"] = LIMITS[name]
                    row["passed"] = row["correct"] and row.get("ratio", 0) <= row.get("limit", float("inf"))
                    print(row, file=sys.stderr, flush=True)
                    found.append(row)
    return found


def backend() -> str:
    """Which attention PyTorch takes for a half-precision q, k and v on this device."""
    q = torch.zeros(1, HEADS, 64, HEAD_DIM, device="cuda", dtype=torch.float16)
    choice = torch._fused_sdp_choice(q, q, q)
    return torch.nn.attention.SDPBackend(choice).name


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks and times the kernels on a GPU.")
    parser.add_argument("--tiny", action="store_true", help="on the CPU, in Triton's interpreter")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    given = parser.parse_args()
    if given.tiny:
        operators.KERNEL_DEVICES = {"cpu"}
    elif not torch.cuda.is_available():
        print("no GPU here\nrun it on one, or with --tiny and TRITON_INTERPRET=1", file=sys.stderr)
        return 3
    found = rows(given.tiny)
    gpu = {} if given.tiny else {"gpu": torch.cuda.get_device_name(), "sdpa": backend()}
    if given.json:
        print(json.dumps({"torch": torch.__version__, **gpu, "rows": found}))
    return int(not all(row["passed"] for row in found))


if __name__ == "__main__":
    sys.exit(main())
