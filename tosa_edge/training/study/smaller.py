"""The baseline that needs no method: a smaller picture, whose depth is enlarged again."""

from __future__ import annotations

from dataclasses import dataclass, field

from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.tosa import Pattern


@dataclass(frozen=True)
class Smaller:
    """Pictures of that size, multiples of the patch, along any way of ours."""

    height: int
    width: int
    pattern: Pattern = field(default_factory=Pattern)

    @property
    def size(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def name(self) -> str:
        return f"{self.height}x{self.width}"


def sizes_of(config: ModelConfig) -> list[Smaller]:
    """All sizes up to the model's own that have its proportions, but for less than a patch."""
    (rows, columns), patch = config.grid, config.patch
    return [
        Smaller(r * patch, c * patch)
        for r in range(1, rows + 1)
        for c in range(1, columns + 1)
        if abs(c - r * columns / rows) < 1
    ]


def at_share(config: ModelConfig, share: float) -> Smaller:
    """A picture whose sides are about that share of the model's own."""
    rows, columns = (max(1, round(share * side)) for side in config.grid)
    return Smaller(rows * config.patch, columns * config.patch)
