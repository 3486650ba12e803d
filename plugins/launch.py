"""How the kernels are launched: what there is one for, in which blocks, by how many warps, over which grid.

PyTorch and the ahead-of-time build both ask here, so they launch the same kernels in the same way. What
nothing here fits (another precision, a wider model) stays with the runtime's own operators.

Kernels that compute more than they move have several launch variants: how much of a side a program
holds, how much of the other it walks over at a time, by how many warps. Which is best hangs on the GPU:
`estimate.py` chooses from what compilers made of each (`facts.json`), and the first is for where nothing is
known. Nothing may spill on any architecture; `make kernels` checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from typing import Any

from tosa_edge.plugins import launch_facts
from tosa_edge.plugins.token_importance import PARTS, TOKEN_IMPORTANCE

HEAD_DIMS = (32, 64)
WIDEST_MAP = 384  # heads x head dimension of an importance kernel: its other side lies in shared memory
WIDEST_ROW = 4096
# Held, walked, warps, stages. The more scores a thread has, the fewer instructions go to what all of them
# share (the convolutions' weights); the fewer it has, the sooner a block is done and the more blocks fit.
# The other variants of single precision are for where a compiler spills.
IMPORTANCE = {
    True: ((64, 16, 8, 2), (64, 16, 4, 2), (32, 16, 2, 2), (16, 64, 8, 2)),
    False: ((32, 16, 8, 1), (16, 16, 4, 1), (32, 16, 4, 1)),
}
# Queries, keys, warps, stages.
ATTENTION = {
    True: ((64, 64, 4, 2), (128, 64, 8, 2), (64, 32, 4, 3), (32, 64, 2, 2)),
    False: ((32, 32, 8, 2), (32, 16, 8, 2), (16, 32, 8, 2)),
}


@dataclass(frozen=True)
class Launch:
    """One launch of one kernel.

    Args:
        folder, kernel: where the Triton function is, and its name.
        constants: its compile-time arguments.
        grid: for each axis a size and how much of it a program takes.
        warps, stages: how many warps a program has; how many loop turns ahead it loads.
        contract: may a product and a sum be one instruction, rounded once? Not where PyTorch rounds twice
            and the numbers could be the same to the bit.
        others: the same work in other blocks: what was not chosen.
    """

    folder: str
    kernel: str
    constants: dict[str, int]
    grid: tuple[tuple[str, int], ...]
    warps: int
    stages: int = 1
    contract: bool = True
    others: tuple[Launch, ...] = ()

    def function(self) -> Any:
        return getattr(import_module(f"tosa_edge.plugins.{self.folder}.kernel"), self.kernel)

    def programs(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        return tuple(-(-sizes[name] // block) for name, block in self.grid)

    def run(self, arguments: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
        function = self.function()
        given = {name: arguments[name] for name in function.arg_names if name not in self.constants}
        function[self.programs(sizes)](**given, **self.constants, **self.options())

    def options(self) -> dict[str, Any]:
        return {"num_warps": self.warps, "num_stages": self.stages, "enable_fp_fusion": self.contract}


@lru_cache
def importance(
    half: bool, heads: int, head_dim: int, hidden: int, architecture: int | None = None
) -> list[Launch]:
    """Both launches, as is best on an architecture (87 is compute capability 8.7)."""
    shape = {"HEADS": heads, "HEAD_DIM": head_dim, "HIDDEN": hidden, "PARTS": PARTS}
    variants = [_importance(shape, *blocks) for blocks in IMPORTANCE[half]]
    return [_best(step, half, architecture) for step in zip(*variants, strict=True)]


def _importance(
    shape: dict[str, int], held: int, walked: int, warps: int, stages: int
) -> tuple[Launch, Launch]:
    statistics = {**shape, "BLOCK_Q": held, "BLOCK_K": walked}
    columns = {**shape, "BLOCK_Q": walked, "BLOCK_K": held}
    over_rows = (("queries", held), ("parts", 1), ("batch", 1))
    over_columns = (("tokens", held), ("batch", 1))
    return (
        Launch("token_importance", "statistics_kernel", statistics, over_rows, warps, stages),
        Launch("token_importance", "columns_kernel", columns, over_columns, warps, stages),
    )


def gather(width: int) -> list[Launch]:
    constants = {"WIDTH": width, "BLOCK": _power_of_two(width)}
    grid = (("kept", 1), ("batch", 1))
    return [Launch("token_gather", "token_gather_kernel", constants, grid, _row_warps(width))]


@lru_cache
def attention(half: bool, head_dim: int, architecture: int | None = None) -> list[Launch]:
    variants = tuple(_attention(head_dim, *blocks) for blocks in ATTENTION[half])
    return [_best(variants, half, architecture)]


def _attention(head_dim: int, queries: int, keys: int, warps: int, stages: int) -> Launch:
    constants = {"HEAD_DIM": head_dim, "BLOCK_M": queries, "BLOCK_N": keys}
    grid = (("kept", queries), ("heads", 1), ("batch", 1))
    return Launch("selective_attention", "selective_attention_kernel", constants, grid, warps, stages)


def scatter(width: int, in_place: bool = False) -> list[Launch]:
    constants = {"WIDTH": width, "BLOCK": _power_of_two(width), "IN_PLACE": in_place}
    grid = (("kept" if in_place else "tokens", 1), ("batch", 1))
    warps = _row_warps(width)
    return [Launch("token_scatter", "token_scatter_kernel", constants, grid, warps, contract=False)]


def plan_launches(
    operator: str,
    shapes: Mapping[str, tuple[int, ...]],
    half: bool,
    attributes: Mapping[str, Any],
    architecture: int | None = None,
) -> tuple[list[Launch], dict[str, int]] | None:
    """What to launch for an operator and inputs of these shapes, and all its sizes; None: nothing fits."""
    batch, rows, width = next(iter(shapes.values()))
    sizes = {"batch": batch, "tokens": rows, "parts": PARTS}
    if "index" in shapes:
        sizes["kept"] = shapes["index"][1]
        if not (min(batch, sizes["kept"]) and 16 <= width <= WIDEST_ROW):
            return None
        return (gather(width) if operator == "TokenGather" else scatter(width)), sizes
    heads = attributes["num_heads"]
    head_dim = width // (3 * heads)
    if head_dim not in HEAD_DIMS or width != 3 * heads * head_dim or not min(batch, rows):
        return None
    if operator == "SelectiveAttention":
        return attention(half, head_dim, architecture), {**sizes, "kept": rows, "heads": heads}
    hidden = shapes["b1"][0] if "b1" in shapes else 0
    if heads * head_dim > WIDEST_MAP or hidden not in (0, 2 * heads) or attributes["query_stride"] < 1:
        return None
    sizes |= TOKEN_IMPORTANCE.sizes({**sizes, **attributes})
    return importance(half, heads, head_dim, hidden, architecture), sizes


def run(
    operator: str,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    attributes: Mapping[str, Any],
    architecture: int | None = None,
) -> None:
    """Launches an operator's kernels on tensors, or the like, that `plan_launches` has an answer for."""
    first = next(iter(inputs.values()))
    shapes, half = {n: tuple(t.shape) for n, t in inputs.items()}, first.element_size() == 2
    planned = plan_launches(operator, shapes, half, attributes, architecture)
    assert planned is not None, "no kernel for these shapes"
    launches, sizes = planned
    arguments = {**inputs, **outputs, **attributes, **sizes}
    if operator == "TokenImportance":
        for absent in ("w1", "b1", "w2"):
            arguments.setdefault(absent, first)  # never read: HIDDEN is 0
        for name, shape in TOKEN_IMPORTANCE.scratch(sizes).items():
            arguments[name] = outputs["importance"].new_empty(shape)
    for launch in launches:
        launch.run(arguments, sizes)


def forget() -> None:
    """What was chosen, when `facts.json` has changed."""
    importance.cache_clear()
    attention.cache_clear()


def _best(variants: tuple[Launch, ...], half: bool, architecture: int | None) -> Launch:
    place = (
        launch_facts.first(variants, half, architecture)
        if architecture is not None and len(variants) > 1
        else 0
    )
    return replace(variants[place], others=variants[:place] + variants[place + 1 :])


def _power_of_two(width: int) -> int:
    return 1 << (width - 1).bit_length()


def _row_warps(width: int) -> int:
    """Eight numbers a thread: sixteen bytes of float16, the widest load there is."""
    return max(1, min(8, _power_of_two(width) // 256))
