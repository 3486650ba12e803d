"""How the kernels are launched: what there is one for, in which blocks, by how many warps, over which grid.

PyTorch and the ahead-of-time build both ask here, so they launch the same kernels in the same way. What
nothing here fits (another precision, a wider model) stays with the host's own operators.

Blocks were chosen for registers: nothing may spill on any architecture (`make kernels` checks, and prints the
table). The importance kernels hold a tile of all heads at once, twice; hence eight warps, and sixteen rows
walked at a time. Where a compiler would still rather spill a register or two than have fewer blocks on a
multiprocessor, the ahead-of-time build takes the same work in other blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tosa_edge.plugins.operator import Operator

HEAD_DIMS = (32, 64)
WIDEST_MAP = 384  # heads x head dimension of an importance kernel: its other side lies in shared memory
WIDEST_ROW = 4096
PARTS = 8


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
        others: what is compiled ahead of time instead, where the compiler spills registers of this one.
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


def importance(half: bool, heads: int, head_dim: int, hidden: int) -> list[Launch]:
    shape = {"HEADS": heads, "HEAD_DIM": head_dim, "HIDDEN": hidden, "PARTS": PARTS}
    held, stages = (64, 2) if half else (32, 1)
    preferred = _importance(shape, held, 8, stages)
    # As much for each thread, in blocks of half the size; or twice as much.
    others = _importance(shape, held // 2, 4, stages), _importance(shape, held, 4, stages)
    return [replace(one, others=tuple(rest)) for one, *rest in zip(preferred, *others, strict=True)]


def _importance(shape: dict[str, int], held: int, warps: int, stages: int) -> list[Launch]:
    walked = 16
    statistics = {**shape, "BLOCK_Q": held, "BLOCK_K": walked}
    columns = {**shape, "BLOCK_Q": walked, "BLOCK_K": held}
    over_rows = (("queries", held), ("parts", 1), ("batch", 1))
    over_columns = (("tokens", held), ("batch", 1))
    return [
        Launch("token_importance", "statistics_kernel", statistics, over_rows, warps, stages),
        Launch("token_importance", "columns_kernel", columns, over_columns, warps, stages),
    ]


def gather(width: int) -> list[Launch]:
    constants = {"WIDTH": width, "BLOCK": _power_of_two(width)}
    grid = (("kept", 1), ("batch", 1))
    return [Launch("token_gather", "token_gather_kernel", constants, grid, _row_warps(width))]


def attention(half: bool, head_dim: int) -> list[Launch]:
    block = 64 if half else 32
    # 64 keys at a time would do on most GPUs; on sm_110 the compiler then asks for a stack.
    constants = {"HEAD_DIM": head_dim, "BLOCK_M": block, "BLOCK_N": 32}
    grid = (("kept", block), ("heads", 1), ("batch", 1))
    warps, stages = (4, 3) if half else (8, 2)
    return [Launch("selective_attention", "selective_attention_kernel", constants, grid, warps, stages)]


def scatter(width: int, in_place: bool = False) -> list[Launch]:
    constants = {"WIDTH": width, "BLOCK": _power_of_two(width), "IN_PLACE": in_place}
    grid = (("kept" if in_place else "tokens", 1), ("batch", 1))
    warps = _row_warps(width)
    return [Launch("token_scatter", "token_scatter_kernel", constants, grid, warps, contract=False)]


def plan(
    operator: str, shapes: Mapping[str, tuple[int, ...]], half: bool, attributes: Mapping[str, Any]
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
        return attention(half, head_dim), {**sizes, "kept": rows, "heads": heads}
    hidden = shapes["b1"][0] if "b1" in shapes else 0
    if heads * head_dim > WIDEST_MAP or hidden not in (0, 2 * heads) or attributes["query_stride"] < 1:
        return None
    sizes |= _description().sizes({**sizes, **attributes})
    return importance(half, heads, head_dim, hidden), sizes


def run(
    operator: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any], attributes: Mapping[str, Any]
) -> None:
    """Launches an operator's kernels on tensors (or anything like them) that `plan` has said yes to."""
    first = next(iter(inputs.values()))
    shapes, half = {n: tuple(t.shape) for n, t in inputs.items()}, first.element_size() == 2
    planned = plan(operator, shapes, half, attributes)
    assert planned is not None, "no kernel for these shapes"
    launches, sizes = planned
    arguments = {**inputs, **outputs, **attributes, **sizes}
    if operator == "TokenImportance":
        for absent in ("w1", "b1", "w2"):
            arguments.setdefault(absent, first)  # never read: HIDDEN is 0
        for name, shape in _description().scratch(sizes).items():
            arguments[name] = outputs["importance"].new_empty(shape)
    for launch in launches:
        launch.run(arguments, sizes)


def _description() -> Operator:
    """What the C++ host goes by as well. It needs `PARTS`, so it is imported later than this file."""
    from tosa_edge.plugins.token_importance import TOKEN_IMPORTANCE

    return TOKEN_IMPORTANCE


def _power_of_two(width: int) -> int:
    return 1 << (width - 1).bit_length()


def _row_warps(width: int) -> int:
    """Eight numbers a thread: sixteen bytes of float16, the widest load there is."""
    return max(1, min(8, _power_of_two(width) // 256))
