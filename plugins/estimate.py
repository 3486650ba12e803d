"""How long a compiled kernel should take, by its instructions: a first-order estimate, never a measurement.

A multiprocessor starts SCHEDULERS instructions in a cycle, so many of them on its float32 lanes, so many
exponentials, and so many operations of matrix products: blocks that share one also share that. But a warp by
itself starts an instruction every PACE cycles, and stands BARRIER cycles at each barrier: more blocks do not
make one block faster. The slowest of these decides, and memory is no faster than the whole. Left out are what
a launch costs (one to three microseconds), caches, and clocks that fall when it gets warm.

From compiled facts this chooses how a kernel is launched; the same facts give the same choice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tosa_edge.plugins import cost
from tosa_edge.plugins.cost import Sizes
from tosa_edge.plugins.gpus import GPUS, REGISTERS, RESERVED, SCHEDULERS, SPECIAL, Gpu
from tosa_edge.plugins.token_importance import PARTS, ROWS_MERGED, UNITS

if TYPE_CHECKING:
    from tosa_edge.plugins.launch import Launch

PACE, BARRIER = 2, 30  # cycles; assumed, not measured
STRIDE = 8  # which query is sampled, in the models that ship
SHIPPED = ((433, 217), (1369, 685))  # tokens, and how many are kept: 252x336 and 518x518
LARGE = 4096
YARDSTICK = 0.5  # of the matrix units' peak: what a good attention of PyTorch's reaches
Facts = Mapping[str, Any]


@dataclass(frozen=True)
class KernelWork:
    """How often a kernel's loops turn: blocks, turns of each loop, turns of the loop inside."""

    blocks: int
    turns: tuple[int, ...]
    units: int
    matrix: int  # operations of matrix products in a block
    bytes: int  # of the whole launch


def kernel_work(launch: Launch, s: Sizes) -> KernelWork:
    """What one picture makes of a launch."""
    of = launch.constants
    if launch.kernel == "selective_attention_kernel":
        keys = _up(s.kept, of["BLOCK_N"])
        matrix = 4 * of["BLOCK_M"] * keys * of["HEAD_DIM"]
        blocks = math.ceil(s.kept / of["BLOCK_M"]) * s.heads
        return KernelWork(blocks, (keys // of["BLOCK_N"],), 0, matrix, cost.attention(s).bytes)
    units, width = of["HIDDEN"] // UNITS, of["HEADS"] * of["HEAD_DIM"]
    if launch.kernel == "statistics_kernel":
        share = _up(math.ceil(s.tokens / PARTS), of["BLOCK_K"])
        blocks = math.ceil(s.queries / of["BLOCK_Q"]) * math.ceil(s.tokens / share)
        matrix = 2 * of["BLOCK_Q"] * share * width
        return KernelWork(blocks, (share // of["BLOCK_K"],), units, matrix, cost.statistics(s).bytes)
    turns = math.ceil(s.heads * s.queries / ROWS_MERGED), math.ceil(s.queries / of["BLOCK_Q"])
    matrix = 2 * of["BLOCK_K"] * _up(s.queries, of["BLOCK_Q"]) * width
    return KernelWork(math.ceil(s.tokens / of["BLOCK_K"]), turns, units, matrix, cost.columns(s).bytes)


def resident(gpu: Gpu, registers: int, threads: int, shared: int) -> int:
    """Blocks that a multiprocessor holds at a time; registers go to warps in lots of 256, eight a thread."""
    of_a_warp = _up(registers, 8) * 32
    return min(
        gpu.blocks,
        gpu.threads // threads,
        REGISTERS // SCHEDULERS // of_a_warp * SCHEDULERS // (threads // 32),
        gpu.shared * 1024 // (shared + RESERVED),
    )


def microseconds(launch: Launch, facts: Facts, gpu: Gpu, s: Sizes) -> float:
    """The estimate. `facts`: registers, shared, and instructions as `machine_code.counted` gives them."""
    work_of, warps = kernel_work(launch, s), launch.warps
    loops = facts["code"]["loops"]
    assert len(loops) == len(work_of.turns), f"{launch.kernel}: {len(loops)} loops, not {len(work_of.turns)}"
    total = list(facts["code"]["once"])
    for loop, turns in zip(loops, work_of.turns, strict=True):
        for kind in range(len(total)):
            total[kind] += turns * (loop["turn"][kind] + work_of.units * loop["unit"][kind])
    issued, single, special, barriers = total
    products = work_of.matrix / gpu.matrix if s.size == 2 else 0.0

    def together(blocks: int) -> float:
        """Cycles of so many blocks that share a multiprocessor."""
        rates = issued / SCHEDULERS, single * 32 / gpu.single, special * 32 / SPECIAL
        return max(issued * PACE + barriers * BARRIER, blocks * warps * max(rates), blocks * products)

    most = resident(gpu, facts["registers"], warps * 32, facts["shared"])
    if not most:
        return math.inf
    rounds, rest = divmod(math.ceil(work_of.blocks / gpu.multiprocessors), most)
    cycles = rounds * together(most) + (together(rest) if rest else 0.0)
    return max(cycles / gpu.gigahertz / 1e3, work_of.bytes / gpu.gigabytes / 1e3)


def fits(facts: Facts, architecture: int) -> bool:
    """Does it spill nothing, and does the architecture have the shared memory?"""
    return not facts["spilled"] and facts["shared"] <= GPUS[architecture].shared_of_a_block * 1024


def fastest_fitting(variants: Sequence[tuple[Launch, Facts]], architecture: int, half: bool) -> int | None:
    """Which of the compiled variants: the least product of estimates at the sizes that ship; None: none fits.

    Of equals the first.
    """
    if len(variants) == 1:
        return 0 if fits(variants[0][1], architecture) else None
    scores = [
        math.prod(microseconds(launch, facts, GPUS[architecture], s) for s in shipped(launch, half))
        if fits(facts, architecture)
        else math.inf
        for launch, facts in variants
    ]
    best = min(scores)
    return None if best == math.inf else scores.index(best)


def shipped(launch: Launch, half: bool) -> list[Sizes]:
    return [sizes(launch, half, *shape) for shape in SHIPPED]


def sizes(launch: Launch, half: bool, tokens: int, kept: int, stride: int = STRIDE) -> Sizes:
    """One picture's, for the model that a launch is made for: of an attention, one of six heads."""
    of = launch.constants
    heads, hidden = of.get("HEADS", 6), of.get("HIDDEN", 12)
    width = heads * of["HEAD_DIM"]
    return Sizes(tokens, kept, width, heads, hidden, stride, size=2 if half else 4)


def expected_ratio(architecture: int, importance: Sequence[tuple[Launch, Facts]], stride: int) -> float:
    """TokenImportance in half precision by PyTorch's attention, at 4096 tokens: estimates, both."""
    gpu = GPUS[architecture]
    given = [sizes(launch, True, LARGE, LARGE, stride) for launch, _ in importance]
    ours = sum(
        microseconds(launch, facts, gpu, s) for (launch, facts), s in zip(importance, given, strict=True)
    )
    peak = gpu.matrix * gpu.multiprocessors * gpu.gigahertz * 1e3  # operations a microsecond
    return ours / (cost.attention(given[0]).matrix / (YARDSTICK * peak))


def _up(count: int, block: int) -> int:
    return -(-count // block) * block
