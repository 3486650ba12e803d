"""The same kernel in other blocks: which block is which axis of the grid, and compiling just those."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from tosa_edge.plugins import compiler, launch
from tosa_edge.plugins.kernel_list import Kernel, kernels_to_compile
from tosa_edge.plugins.launch import Launch

MODEL = {"heads": 6, "head_dim": 64, "hidden": 12}
# What a program holds: its block, and the axis of the grid that it is a part of; and what it walks over.
HELD = {
    "statistics_kernel": ("BLOCK_Q", "queries", "BLOCK_K"),
    "columns_kernel": ("BLOCK_K", "tokens", "BLOCK_Q"),
    "selective_attention_kernel": ("BLOCK_M", "kept", "BLOCK_N"),
}
Way = tuple[int, int, int, int]  # held and walked rows, warps, stages


def launch_of(entry: dict[str, Any]) -> Launch:
    """How the kernel of an entry was compiled, as far as it changes what it does: its model and its grid."""
    wants = (entry["operator"], entry["precision"], entry["shape"], entry["step"])
    kernels = kernels_to_compile((entry["sm"],))
    one = next(k for k in kernels if (k.operator, k.precision, dict(k.shape), k.step) == wants)
    return held(one.launch, dict(entry["grid"]))


def held(one: Launch, blocks: dict[str, int]) -> Launch:
    """The launch with so much of each axis for a program."""
    constants, grid = dict(one.constants), {**dict(one.grid), **blocks}
    if one.kernel in HELD:
        block, axis, _ = HELD[one.kernel]
        constants[block] = grid[axis]
    return replace(one, constants=constants, grid=tuple(grid.items()), others=())


def in_blocks(name: str, way: Way, sm: int) -> Kernel:
    """A kernel of the small model, half precision."""
    rows, walked, warps, stages = way
    _, axis, other = HELD[name]
    if name == "selective_attention_kernel":
        launches, operator = launch.attention(True, MODEL["head_dim"]), "SelectiveAttention"
        shape = {"head_dim": MODEL["head_dim"]}
    else:
        launches, operator, shape = launch.importance(True, **MODEL), "TokenImportance", MODEL
    step = next(i for i, one in enumerate(launches) if one.kernel == name)
    one = held(launches[step], {axis: rows})
    one = replace(one, constants={**one.constants, other: walked}, warps=warps, stages=stages)
    return Kernel(operator, "fp16", tuple(shape.items()), step, one, sm)


def prepare() -> None:
    """For a process that compiles: importing `tests` makes a tree that is not installed importable there."""
    compiler.prepare()


def compiled(kernel: Kernel) -> tuple[bytes, dict[str, Any]]:
    """The cubin, and what a kernel file would say of it."""
    image, entry = compiler.compile_one(kernel)[0]
    return image, {**entry, "sha256": hashlib.sha256(image).hexdigest()}
