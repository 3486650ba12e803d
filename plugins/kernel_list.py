"""Which kernels are compiled ahead of time: every operator's, for every architecture, precision and model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tosa_edge.plugins import launch
from tosa_edge.plugins.gpus import GPUS
from tosa_edge.plugins.launch import Launch

ARCHITECTURES = tuple(GPUS)
MODELS = ((3, 64), (6, 64), (12, 32))  # heads and their dimension
FLOATS = {"fp16": True, "fp32": False}
POINTERS = {"index": "*i32", "statistics": "*fp32", "importance": "*fp32"}  # the others are the model's
SIZES = ("tokens", "kept", "queries", "stride")
SCALARS = {"scale": "fp32", "epsilon": "fp32", **dict.fromkeys(SIZES, "i32")}


@dataclass(frozen=True)
class Kernel:
    """One kernel for one architecture, before it is compiled."""

    operator: str
    precision: str
    shape: tuple[tuple[str, int], ...]
    step: int  # of the operator's launches
    launch: Launch
    architecture: int

    def launch_options(self) -> list[Kernel]:
        """This one, and the same work launched otherwise."""
        return [replace(self, launch=one) for one in (self.launch, *self.launch.others)]

    def parameters(self) -> dict[str, str]:
        """The kernel's own parameters, in order, and their types."""
        names = [n for n in self.launch.function().arg_names if n not in self.launch.constants]
        return {n: SCALARS.get(n) or POINTERS.get(n, f"*{self.precision}") for n in names}


def kernels_to_compile(architectures: tuple[int, ...] = ARCHITECTURES, quick: bool = False) -> list[Kernel]:
    """Every kernel to compile; `quick`: one model's, in half precision."""
    return [
        Kernel(operator, precision, tuple(shape.items()), step, one, architecture)
        for architecture in architectures
        for precision, half in FLOATS.items()
        for operator, shape, launches in _operators(half, architecture)
        if not quick or (half and shape.get("heads", 6) == 6 and shape.get("hidden", 12) == 12)
        for step, one in enumerate(launches)
    ]


def _operators(half: bool, architecture: int) -> Iterator[tuple[str, dict[str, int], list[Launch]]]:
    """Operator, the shape by which a runtime finds its kernels, and what to launch."""
    for heads, head_dim in MODELS:
        for hidden in (0, 2 * heads):
            shape = {"heads": heads, "head_dim": head_dim, "hidden": hidden}
            yield "TokenImportance", shape, launch.importance(half, **shape, architecture=architecture)
    for head_dim in sorted({dim for _, dim in MODELS}):
        yield "SelectiveAttention", {"head_dim": head_dim}, launch.attention(half, head_dim, architecture)
    for width in sorted({heads * dim for heads, dim in MODELS}):
        yield "TokenGather", {"width": width}, launch.gather(width)
        for in_place in (False, True):
            yield "TokenScatter", {"width": width, "in_place": int(in_place)}, launch.scatter(width, in_place)
