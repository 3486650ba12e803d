"""How fast the cubins are beside PyTorch's own work, which blocks would be faster, and large pictures.

Times are medians of CUDA events around a CUDA graph of twenty calls; a kernel and its yardstick take turns in
one run, and a ratio is the kernel's time by the yardstick's. On a walk all runs once, and nothing is timed.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from tests.gpu.blocks import MODEL, Way, compiled, in_blocks, prepare
from tests.gpu.cases import Case, of_model
from tests.gpu.cubin_launch import CaseOnDevice, Cubin, KernelFile, Machine, machine
from tests.gpu.results import Results, Row
from tosa_edge.plugins import cost
from tosa_edge.plugins.cost import Cost, Sizes
from tosa_edge.plugins.kernel_list import Kernel
from tosa_edge.plugins.resources import importance_limit

USUAL, WALKED = ((433, 217), (1369, 685)), ((9, 5),)
LARGE, BATCHES, HUGE = (4096, 2048), (1, 16), 64
LIMITS = {"attention": 1 / 0.8, "gather": 1.25, "scatter": 1.25}  # of importance: its GPU's
COPY_SHARE = 0.8  # of the measured bandwidth of a copy, at a batch that no cache holds
MOST_SHARED = 227 * 1024
_IMPORTANCE = tuple(product((16, 32, 64, 128), (16, 32, 64), (4, 8), (2,)))
BLOCKS: dict[str, tuple[Way, ...]] = {  # the first are compiled first
    "columns_kernel": _IMPORTANCE,
    "selective_attention_kernel": tuple(product((32, 64, 128), (32, 64, 128), (4, 8), (2, 3))),
    "statistics_kernel": _IMPORTANCE,
}
WALKED_BLOCKS: dict[str, tuple[Way, ...]] = {"selective_attention_kernel": ((32, 32, 4, 2),)}


def times(results: Results, walk: bool) -> None:
    with machine(walk) as here:
        file = here.kernels()
        for tokens, kept in WALKED if walk else USUAL:
            for name, case in _cases(file, tokens, kept, 1):
                results.attempt(f"{name} {tokens}/{kept}", partial(timed, here, file, name, case))
        for kernel, held, done in sweep(here, WALKED_BLOCKS if walk else BLOCKS):
            results.attempt(f"{kernel} {held}", partial(_variant, here, file, kernel, done))


def large(results: Results, walk: bool) -> None:
    from tests.gpu import measure

    with machine(walk) as here:
        file = here.kernels()
        peaks = None if walk else measure.measured_peaks()
        if peaks:
            results.add(
                "peaks", None, **vars(peaks), sdpa=measure.sdpa_backend(MODEL["heads"], MODEL["head_dim"])
            )
        asked = [(*WALKED[0], 1)] if walk else [(*LARGE, 1), (*USUAL[-1], BATCHES[-1]), (*USUAL[-1], HUGE)]
        for tokens, kept, batch in asked:
            for name, case in _cases(file, tokens, kept, batch):
                if batch == HUGE and name not in ("gather", "scatter"):
                    continue
                row = partial(held_to_limits, here, file, name, case, peaks)
                results.attempt(f"{name} {tokens}/{kept} batch {batch}", row)


def _cases(file: KernelFile, tokens: int, kept: int, batch: int) -> Iterator[tuple[str, Case]]:
    have = {(e["operator"], e["precision"], tuple(sorted(e["shape"].items()))) for e in file.entries}
    for name, case in of_model("fp16", batch, tokens, kept).items():
        if (case.operator.name, case.precision, tuple(sorted(case.shape.items()))) in have:
            yield name, case


def timed(here: Machine, file: KernelFile, name: str, case: Case) -> Row:
    cubins = file.of(case)
    with here.load_case(case) as on_device:
        return _times(here, partial(_launched, here, on_device, cubins), yardstick(name, case))


def _launched(here: Machine, on_device: CaseOnDevice, cubins: list[Cubin]) -> None:
    """On the stream that is being captured, if that is PyTorch's."""
    if here.walk:
        on_device.launch(cubins)
        on_device.read()
        return
    import torch

    on_device.launch(cubins, torch.cuda.current_stream().cuda_stream)


def _times(here: Machine, call: Callable, beside: Callable) -> Row:
    if here.walk:
        call()
        return {}
    from tests.gpu.measure import medians

    ms, yard = medians([call, beside])
    return {"ms": ms, "yardstick_ms": yard, "ratio": ms / yard}


def yardstick(name: str, case: Case) -> Callable:
    """Comparable work of PyTorch's own: its attention on all that is there, or a copy of as many bytes."""

    def attention() -> Callable:
        import torch
        import torch.nn.functional as F

        from tosa_edge.nn import tosa

        qkv = torch.from_numpy(case.arrays["qkv"]).cuda()
        q, k, v = (part.contiguous() for part in tosa.split_heads(qkv, case.attributes["num_heads"]))
        return lambda: F.scaled_dot_product_attention(q, k, v)

    def copy() -> Callable:
        import torch

        count = max(1, work_of(name, case).bytes // 2 // 2)
        to, source = (torch.empty(count, device="cuda", dtype=torch.float16) for _ in range(2))
        return lambda: to.copy_(source)

    made: list[Callable] = []

    def call() -> Any:  # made at the first call: there may be no GPU
        if not made:
            made.append(attention() if "qkv" in case.arrays else copy())
        return made[0]()

    return call


def work_of(name: str, case: Case) -> Cost:
    known = case.sizes
    kept = known.get("kept", 0)
    width = next(iter(case.arrays.values())).shape[-1] // (3 if "qkv" in case.arrays else 1)
    heads = case.attributes.get("num_heads", MODEL["heads"])
    sizes = Sizes(
        known.get("tokens", kept), kept, width, heads, 2 * heads, known.get("stride", 1), 2, known["batch"]
    )
    counts = {"gather": cost.gather, "scatter": cost.scatter, "attention": cost.attention}
    return counts.get(name, cost.importance)(sizes)


def held_to_limits(here: Machine, file: KernelFile, name: str, case: Case, peaks: Any) -> Row:
    """Speed has limits where a GPU has enough to do."""
    from tests.accuracy import judged as right

    row = timed(here, file, name, case)
    with here.load_case(case) as on_device:
        on_device.poison(0xFF)
        on_device.launch(file.of(case))
        row |= {"correct": right(case, on_device.read(), here.torch_device)["passed"]}
    if peaks is None:
        return {**row, "passed": row["correct"]}
    done = work_of(name, case)
    row["share"] = peaks.floor_ms(done, half=True) / row["ms"]
    row["copy_share"] = done.bytes / row["ms"] * 1e3 / peaks.copy
    return judged(row, name, case.sizes["batch"], here.sm)


def judged(row: Row, name: str, batch: int, sm: int) -> Row:
    if batch == HUGE:
        return {**row, "least": COPY_SHARE, "passed": row["correct"] and row["copy_share"] >= COPY_SHARE}
    limit = LIMITS.get(name) or importance_limit(sm, int(name.removeprefix("importance_")))
    return {**row, "limit": limit, "passed": row["correct"] and (limit is None or row["ratio"] <= limit)}


def sweep(
    here: Machine, blocks: dict[str, tuple[Way, ...]]
) -> Iterator[tuple[str, str, Callable[[], Cubin]]]:
    """Compiled by this machine's Triton on all its cores; each as it is done."""
    asked = [(name, way, in_blocks(name, way, here.sm)) for name, ways in blocks.items() for way in ways]
    cores = max(1, (os.cpu_count() or 2) - 1)
    # Not forked: this process may have kernels that only Triton's interpreter can run.
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn"), prepare) as pool:
        futures = {pool.submit(compiled, kernel): (name, way, kernel) for name, way, kernel in asked}
        for future in as_completed(futures):
            name, way, kernel = futures[future]
            yield (
                name,
                "held {} walked {} warps {} stages {}".format(*way),
                partial(_loaded, here, future, kernel),
            )


def _loaded(here: Machine, future: Future[tuple[bytes, dict[str, Any]]], kernel: Kernel) -> Cubin:
    image, entry = future.result()
    if entry["shared"] > MOST_SHARED:
        raise MemoryError(f"{entry['shared']} bytes of shared memory")
    if here.walk:
        from tests.gpu.interpreted import learn

        learn(entry, kernel.launch)
    return Cubin(here.context, entry, image)


def _variant(here: Machine, file: KernelFile, kernel: str, load: Callable[[], Cubin]) -> Row:
    """The same numbers as what ships, within rounding, and its time."""
    cubin = load()
    found: Row = {name: cubin.entry[name] for name in ("registers", "spilled", "shared")}
    for tokens, kept in WALKED if here.walk else USUAL:
        for name, case in _cases(file, tokens, kept, 1):
            ships = file.of(case)
            place = next((i for i, one in enumerate(ships) if one.entry["function"] == kernel), None)
            if place is None:
                continue
            with here.load_case(case) as on_device:
                on_device.poison(0xFF)
                on_device.launch(ships)
                right = on_device.read()[0]
                on_device.launch([*ships[:place], cubin, *ships[place + 1 :]])
                ours = on_device.read()[0]
                near = np.allclose(ours, right, rtol=2e-2, atol=2e-3 * np.abs(right).max())
                found["passed"] = found.get("passed", True) and bool(near)
                ms = _times(
                    here,
                    partial(_launched, here, on_device, [cubin]),
                    partial(_launched, here, on_device, [ships[place]]),
                )
                if ms:
                    found[f"{name} {tokens}/{kept} us"] = round(1e3 * ms["ms"], 2)
                    found[f"{name} {tokens}/{kept} of what ships"] = round(ms["ratio"], 3)
    return found
