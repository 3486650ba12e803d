"""What has to be known to build a model before its weights can be loaded."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from tosa_edge.errors import TosaEdgeError
from tosa_edge.field_checks import boolean, exact_fields, integer, line, list_of, number, one_of
from tosa_edge.graph_info import LOGITS, MOST_CLASSES, OUTPUT_KINDS, known_keys
from tosa_edge.limits import PIXELS, TOKENS
from tosa_edge.nn.position_rules import RULES
from tosa_edge.strict_json import read_object

if TYPE_CHECKING:
    from torch import Tensor

MOST_LAYERS = 256
HEADS = ("tosa", "dpt", "linear")
READS = ("class", "patches", "register")
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SIDE = integer(1, 1 << 16)
_CHECKS = {
    "name": line,
    "height": _SIDE,
    "width": _SIDE,
    "patch": integer(1, 512),
    "dim": integer(1, 1 << 14),
    "layers": integer(2, MOST_LAYERS),
    "heads": integer(1, 256),
    "mlp_ratio": number(1 / 64, 64),
    "registers": integer(0, 1024),
    "head_layers": list_of(integer(0, MOST_LAYERS - 1), most=4),
    "head_dim": integer(4, 1 << 12),
    "output": one_of(OUTPUT_KINDS),
    "family": line,
    "head": one_of(HEADS),
    "head_channels": list_of(integer(1, 1 << 14), most=4),
    "positions": one_of(RULES),
    "position_grid": list_of(integer(1, 1 << 12), most=2),
    "epsilon": number(1e-12, 1e-2),
    "max_depth": number(0, 1e4),
    "selectors": boolean,
    "layer_scale": boolean,
    "classes": integer(0, MOST_CLASSES),
    "labels": list_of(line, MOST_CLASSES),
    "head_reads": list_of(one_of(READS), most=len(READS)),
    "mean": list_of(number(0, 1), most=3),
    "std": list_of(number(1e-3, 1), most=3),
    "crop": number(0.1, 1),
}


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a model, and what distinguishes one family of them from another.

    All fields are validated at construction: values from a checkpoint are not trusted.

    head_layers: the encoder layers that the head reads: four for depth, the last for classes
    head_dim: the head's width, and of a DPT head `head_channels` those of its four maps
    family: whose weights these were, in words; empty for ours
    head: `tosa`, our light one (`nn/head.py`), `dpt` (`nn/dpt.py`), or `linear`, which classifies
        (`nn/class_head.py`): `classes`, their names in `labels` where they are known, and of which tokens it
        is fed (`head_reads`: the class token, the mean of the patches, the first register)
    positions: how the position embedding is brought to another grid (`nn/positions.py`)
    position_grid: patches down and across of the stored position embedding; empty: of pictures of our size
    epsilon: of every LayerNorm
    max_depth: metres that a DPT head of metric depth gives at most
    selectors: whether they were trained; untrained ones are the selector `previous`
    layer_scale: whether branches are scaled before they are added
    mean, std: of the pictures that it was trained with, in 0..1
    crop: the share of a picture's shorter side that a classifier sees
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
    family: str = ""
    head: str = "tosa"
    head_channels: tuple[int, ...] = ()
    positions: str = "offset"
    position_grid: tuple[int, ...] = ()
    epsilon: float = 1e-6
    max_depth: float = 0.0
    selectors: bool = True
    layer_scale: bool = True
    classes: int = 0
    labels: tuple[str, ...] = ()
    head_reads: tuple[str, ...] = ()
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    crop: float = 1.0

    def __post_init__(self) -> None:
        try:
            exact_fields(vars(self), _CHECKS)
            self._check_shape()
        except ValueError as error:
            raise TosaEdgeError(f"no model is like that: {error}", "Mend it, or export it again.") from None
        for side, name in ((self.height, "height"), (self.width, "width")):
            if side < self.patch or side % self.patch:
                near = max(self.patch, round(side / self.patch) * self.patch)
                raise TosaEdgeError(
                    f"{name} {side} is not a multiple of the patch {self.patch}",
                    f"Choose a multiple of {self.patch}; the nearest is {near}.",
                )

        PIXELS.check(self.height * self.width, f"pictures of {self.width}x{self.height}")
        TOKENS.check(self.tokens, f"pictures of {self.width}x{self.height} in patches of {self.patch}")

    def _check_shape(self) -> None:
        """What one number says of another."""
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} cannot be shared by {self.heads} heads")
        if self.dim * self.mlp_ratio < 1:
            raise ValueError(f"mlp_ratio {self.mlp_ratio} leaves nothing of dim {self.dim}")
        layers, linear = self.head_layers, self.head == "linear"
        many, word = (1, "one") if linear else (4, "four")
        if len(layers) != many or list(layers) != sorted(layers) or layers[-1] >= self.layers:
            raise ValueError(f"head_layers {list(layers)} are not {word} of {self.layers} layers, in order")
        if {linear} != {self.output == LOGITS, bool(self.classes), bool(self.head_reads)}:
            raise ValueError(
                f"a {self.head} head that gives {self.output} of {self.classes} classes from "
                f"{list(self.head_reads)}"
            )
        if self.labels and len(self.labels) != self.classes:
            raise ValueError(f"{len(self.labels)} labels are not those of {self.classes} classes")
        if "register" in self.head_reads and not self.registers:
            raise ValueError("a head that reads a register, and there is none")
        if len(self.mean) != 3 or len(self.std) != 3:
            raise ValueError("mean and std are not of three colours")
        if self.head_dim % 4:
            raise ValueError(f"head_dim {self.head_dim} is not a multiple of 4")
        if len(self.head_channels) != 4 * (self.head == "dpt"):
            raise ValueError(f"head_channels {list(self.head_channels)} are not those of a {self.head} head")
        if len(self.position_grid) not in (0, 2):
            raise ValueError(f"position_grid {list(self.position_grid)} is not patches down and across")
        if bool(self.max_depth) != (self.head == "dpt" and self.output == "metric_depth"):
            raise ValueError(f"max_depth {self.max_depth:g} is not for {self.output} of a {self.head} head")

    @property
    def classifies(self) -> bool:
        return self.output == LOGITS

    @property
    def seen(self) -> float | None:
        """Of a classifier, the share of a frame's sides that it sees."""
        return self.crop if self.classifies else None

    @property
    def grid(self) -> tuple[int, int]:
        """Patches down and across."""
        return self.height // self.patch, self.width // self.patch

    def grid_of(self, image: Tensor) -> tuple[int, int]:
        """Patches down and across of pictures [B, 3, H, W]."""
        return image.shape[-2] // self.patch, image.shape[-1] // self.patch

    @property
    def stored_grid(self) -> tuple[int, int]:
        """Patches down and across of the position embedding."""
        if not self.position_grid:
            return self.grid
        down, across = self.position_grid
        return down, across

    def selective_layers(self, group: int) -> tuple[int, ...]:
        """A standard layer, then at most `group` selective ones, and again: the paper's pairing for group 1.

        Of our models all head layers but the last are standard in the groups that ship, and that one was
        trained to be selective. In another's model all that the head reads are standard.
        """
        standard = {0, *(self.head_layers if self.head == "dpt" else ())}
        selective: list[int] = []
        run = 0
        for layer in range(self.layers):
            run = 0 if layer in standard or run == group else run + 1
            if run:
                selective.append(layer)
        return tuple(selective)

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
        """Raises ValueError for what is no JSON object, our error for what is no model."""
        return cls(**known_keys(cls, read_object(text)))
