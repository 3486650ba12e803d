"""The kernels on a GPU: right or not, and how fast beside PyTorch's own; `make gpu-check`.

Speed is the median of CUDA events around a CUDA graph of twenty calls; a kernel and its yardstick take turns
in one run, and a ratio is the kernel's time by the yardstick's. Limits hold where the GPU has enough to do.
`share` is a kernel's share of its roofline, from the device's own peaks, which are measured first. An
encoder's `speedup` is that of selective over dense: both compiled by PyTorch, the standard layers of both on
its fastest attention. `--tiny`, with TRITON_INTERPRET=1, walks the same way on a CPU and times nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import torch

from tests.plugins import gpu_measure
from tests.plugins.gpu_cases import HEAD_DIM, HEADS, Case, cases, encoders, fast_standard_layers
from tests.plugins.gpu_measure import Peaks, medians
from tosa_edge.nn import operators
from tosa_edge.nn.config import ModelConfig

Row = dict[str, Any]
SIZES, BATCHES, LARGE = (432, 1369, 4096), (1, 16), 64
LIMITS = {"importance_1": 3.0, "importance_8": 0.4, "attention": 1 / 0.8, "gather": 1.25, "scatter": 1.25}
COPY_SHARE = 0.8  # of the measured bandwidth of a copy, at the large batch
CEILING_SHARE = 0.85  # of what an encoder's multiply-adds let it gain


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks and times the kernels on a GPU.")
    parser.add_argument("--tiny", action="store_true", help="on the CPU, in Triton's interpreter")
    parser.add_argument("--once", action="store_true", help="every kernel once, for a sanitizer")
    parser.add_argument("--only", nargs="+", default=(), help="operators, encoder, sanitizer")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    given = parser.parse_args()
    if given.tiny:
        operators.KERNEL_DEVICES = {"cpu"}
    elif not torch.cuda.is_available():
        print("no GPU here\nrun it on one, or with --tiny and TRITON_INTERPRET=1", file=sys.stderr)
        return 3
    about: Row = {"torch": torch.__version__}
    with torch.no_grad(), fast_standard_layers():
        if given.once:
            for dtype in (torch.float16, torch.float32):
                for case in cases(SIZES[0], 2, dtype, "cuda"):
                    case.run()
            torch.cuda.synchronize()
            return 0
        if given.tiny:
            rows = list(tiny())
        else:
            peaks = gpu_measure.measured_peaks()
            about |= {"gpu": torch.cuda.get_device_name(), "peaks": vars(peaks)}
            about["sdpa"] = gpu_measure.sdpa_backend(HEADS, HEAD_DIM)
            rows = [told(row) for row in full(peaks, tuple(given.only))]
    if given.json:
        print(json.dumps({**about, "rows": rows}))
    return int(not all(row["passed"] for row in rows))


def tiny() -> Iterator[Row]:
    for dtype in (torch.float16, torch.float32):
        for case in cases(20, 1, dtype, "cpu"):
            yield {"name": case.name, "dtype": str(dtype), "passed": case.correct()}
    small = ModelConfig(height=56, width=84, dim=64, heads=2, layers=4, head_layers=(0, 1, 2, 3))
    (dense, selective), ceiling = encoders(small, 1, "cpu")
    same = [feature.shape for feature in dense()[0]] == [feature.shape for feature in selective()[0]]
    yield {"name": "encoder", "ceiling": ceiling, "passed": same}


def full(peaks: Peaks, only: tuple[str, ...]) -> Iterator[Row]:
    kernels = tuple(name for name in only if name in LIMITS)
    if kernels or not only:
        yield from operators_at(SIZES, BATCHES, (torch.float16, torch.float32), kernels, peaks)
    if not only or {"gather", "scatter"} & set(only):
        yield from operators_at((SIZES[1],), (LARGE,), (torch.float16,), ("gather", "scatter"), peaks)
    if not only or "encoder" in only:
        for batch in BATCHES:
            yield attempted({"name": "encoder", "batch": batch}, partial(whole, batch))
    if not only or "sanitizer" in only:
        for tool in ("memcheck", "racecheck"):
            yield gpu_measure.sanitized(tool, ["-m", "tests.plugins.gpu_check", "--once"])


def operators_at(
    sizes: tuple[int, ...],
    batches: tuple[int, ...],
    dtypes: tuple[torch.dtype, ...],
    only: tuple[str, ...],
    peaks: Peaks,
) -> Iterator[Row]:
    for dtype, tokens, batch in product(dtypes, sizes, batches):
        for case in cases(tokens, batch, dtype, "cuda", only):
            row = {"name": case.name, "dtype": str(dtype), "tokens": tokens, "batch": batch}
            yield attempted(row, partial(measured, case, dtype, row, peaks))


def attempted(row: Row, rest: Callable[[], Row]) -> Row:
    """What fails is a row too, and the others are still measured."""
    try:
        return row | rest()
    except Exception as failure:
        return row | {"passed": False, "failed": f"{type(failure).__name__}: {failure}"[:400]}


def measured(case: Case, dtype: torch.dtype, about: Row, peaks: Peaks) -> Row:
    ms, yardstick = medians([case.run, case.yardstick])
    row = {
        "correct": case.correct(),
        "ms": ms,
        "yardstick_ms": yardstick,
        "ratio": ms / yardstick,
        "flops": case.work.matrix + case.work.ordinary,
        "bytes": case.work.bytes,
        "share": peaks.floor_ms(case.work, dtype) / ms,
        "copy_share": case.work.bytes / ms * 1e3 / peaks.copy,
    }
    return row | judged(about | row)


def judged(row: Row) -> Row:
    """Limits hold in half precision; a batch that no cache holds is held to the speed of a copy."""
    half, tokens, batch = row["dtype"] == str(torch.float16), row["tokens"], row["batch"]
    if half and batch == LARGE:
        return {"least": COPY_SHARE, "passed": row["correct"] and row["copy_share"] >= COPY_SHARE}
    if half and (tokens == SIZES[-1] or (tokens, batch) == (SIZES[1], BATCHES[-1])):
        limit = LIMITS[row["name"]]
        return {"limit": limit, "passed": row["correct"] and row["ratio"] <= limit}
    return {"passed": row["correct"]}


def whole(batch: int) -> Row:
    """An encoder for 1369 patches."""
    calls, ceiling = encoders(ModelConfig(height=518, width=518), batch, "cuda")
    dense, selective = medians([torch.compile(call, fullgraph=True) for call in calls], calls=5)
    share = dense / selective / ceiling
    row = {
        "ms": selective,
        "dense_ms": dense,
        "speedup": dense / selective,
        "ceiling": ceiling,
        "share": share,
    }
    if batch == 1:
        return row | {"passed": True}
    return row | {"least": CEILING_SHARE, "passed": share >= CEILING_SHARE}


def told(row: Row) -> Row:
    print(row, file=sys.stderr, flush=True)
    return row


if __name__ == "__main__":
    sys.exit(main())
