"""What has to be known to build a model before its weights can be loaded."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from tosa_edge.errors import TosaEdgeError
from tosa_edge.info import known_fields

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a depth model.

    `head_layers` are the four encoder layers that the depth head reads. All but the last are standard in
    every group that ships: right after one, no token has been passed over.
    """

    name: str = "model"
    height: int = 252
    width: int = 336
    patch: int = 14
    dim: int = 384
    layers: int = 12
    heads: int = 6
    mlp_ratio: float = 4.0
    registers: int = 0
    head_layers: tuple[int, ...] = (0, 4, 8, 11)
    head_dim: int = 64
    output: str = "relative_inverse_depth"

    def __post_init__(self) -> None:
        for side, name in ((self.height, "height"), (self.width, "width")):
            if side < self.patch or side % self.patch:
                near = max(self.patch, round(side / self.patch) * self.patch)
                raise TosaEdgeError(
                    f"{name} {side} is not a multiple of the patch {self.patch}",
                    f"Choose a multiple of {self.patch}; the nearest is {near}.",
                )

    @property
    def grid(self) -> tuple[int, int]:
        """Patches down and across."""
        return self.height // self.patch, self.width // self.patch

    def grid_of(self, image: Tensor) -> tuple[int, int]:
        """Patches down and across of pictures [B, 3, H, W]."""
        return image.shape[-2] // self.patch, image.shape[-1] // self.patch

    @property
    def tokens(self) -> int:
        return self.grid[0] * self.grid[1]

    def at(self, height: int, width: int) -> ModelConfig:
        """The same model for pictures of another size."""
        return replace(self, height=height, width=width)

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelConfig:
        raw: dict[str, Any] = json.loads(text)
        return cls(**known_fields(cls, raw))
