"""ToSA on a model that you have: `apply_tosa(model)`, in place.

For vision transformers as timm builds them (ViT, DeiT, DeiT-III, DINOv2 with and without registers): they
have `blocks` whose layers have DINOv2's names, `num_prefix_tokens` and a `patch_embed`. Nothing of timm is
imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from torch import Tensor, nn

from tosa_edge.errors import TosaEdgeError
from tosa_edge.nn.stack import Stack, choose_patches
from tosa_edge.nn.tosa import Pattern, dither_lattice, grouped, previous_importance
from tosa_edge.row_sharing import parse_ways

M = TypeVar("M", bound=nn.Module)

_LAYER = ("norm1.bias", "attn.qkv", "attn.proj", "attn.num_heads", "attn.scale", "norm2", "mlp")
_REMEDY = "Give a ViT, DeiT, DeiT-III or DINOv2 of timm's; others have layers of another kind."


def apply_tosa(
    model: M, keep: float = 0.7, *, group: int = 1, query_stride: int = 1, spread: float = 0.0, ways: str = ""
) -> M:
    """Lets half of a model's layers see the share `keep` of its patches, or patches share rows; in place.

    The defaults are the paper's pattern: a standard layer, then `group` selective ones, and again. Class,
    distillation and register tokens are always kept. `ways`, as in "windows=0.2,0.4:3-11", is the bypass of
    docs/represented.md instead, and then the other settings say nothing. Called again it replaces what was
    there; with keep=1 the model computes what it did before.

    Differences from the paper: its selectors are trained to predict the next layer's attention map, here the
    map of the layer before stands for it (its training-free variant). Dropout and stochastic depth within
    layers are left out, so a model is to be trained further without them.

    Example:
        >>> model = timm.create_model("deit_small_patch16_224", pretrained=True)
        >>> apply_tosa(model, keep=0.7)
        >>> logits = model(images)
    """
    blocks = list(getattr(model, "blocks", ()))
    _refuse_strange(model, blocks)
    if not 0 < keep <= 1:
        raise TosaEdgeError(f"keep {keep:g} is not a share of the patches", "Choose more than 0, at most 1.")
    if not 0 < group < len(blocks):
        raise TosaEdgeError(f"group {group} is not possible", f"Choose 1 to {len(blocks) - 1}.")
    if ways:
        pattern = Pattern(ways=parse_ways(ways, len(blocks)))
    else:
        layers = grouped(len(blocks), group) if keep < 1 else ()
        pattern = Pattern(layers, keep, query_stride, "previous", spread)
    whole: Any = model
    down, across = whole.patch_embed.grid_size
    whole.blocks = TosaBlocks(blocks, pattern, int(whole.num_prefix_tokens), (int(down), int(across)))
    return model


class TosaBlocks(nn.Sequential):
    """The same layers under the same names, seen along a pattern. [B, T, D] -> [B, T, D]"""

    def __init__(
        self, blocks: Sequence[nn.Module], pattern: Pattern, prefix: int, grid: tuple[int, int]
    ) -> None:
        super().__init__(*blocks)
        self.pattern, self.prefix, self.grid = pattern, prefix, grid
        self.found: Tensor | None = None
        self.lattice = dither_lattice(*grid)

    def forward(self, x: Tensor) -> Tensor:
        """`found` is afterwards what was kept, or what stood for every patch, as of `Stack.run`."""
        patches = x.shape[1] - self.prefix
        if patches != self.grid[0] * self.grid[1]:
            raise TosaEdgeError(
                f"{patches} patches are not the {self.grid[0]}x{self.grid[1]} that the model was built for",
                "Create the model for pictures of that size (img_size=...), and without dropping patches.",
            )
        stack = Stack(list(self), self.grid, self.prefix, self._select)
        (last,), self.found = stack.run(x, self.pattern, [len(self) - 1])
        return last

    def _select(self, layer: int, qkv: Tensor) -> Tensor:
        attn: Any = self[layer].attn
        importance = previous_importance(
            qkv, num_heads=attn.num_heads, query_stride=self.pattern.query_stride, scale=attn.scale
        )[:, self.prefix :]
        return choose_patches(importance, self.pattern, self.lattice.to(importance.device))


def _refuse_strange(model: nn.Module, blocks: list[Any]) -> None:
    """What computes something else than our layers would compute it wrongly without a word."""
    name = type(model).__name__
    for fact in ("num_prefix_tokens", "patch_embed"):
        if not hasattr(model, fact):
            raise TosaEdgeError(f"{name} has no {fact}: it is no vision transformer of timm's", _REMEDY)
    if len(blocks) < 2:
        raise TosaEdgeError(f"{name} has {len(blocks)} layers", _REMEDY)
    for number, block in enumerate(blocks):
        missing = [fact for fact in _LAYER if not _has(block, fact)]
        extra = [
            fact
            for fact in ("attn.q_norm", "attn.k_norm", "attn.norm", "attn.gate")
            if _has(block, fact) and not isinstance(_at(block, fact), nn.Identity)
        ]
        if missing or extra or getattr(block.attn, "rope", None) is not None:
            what = f"no {missing[0]}" if missing else f"{extra[0] if extra else 'rotary positions'}"
            raise TosaEdgeError(f"layer {number} of {name} has {what}", _REMEDY)
        if block.attn.qkv.weight.shape[0] != 3 * block.attn.qkv.weight.shape[1]:
            raise TosaEdgeError(
                f"the attention of layer {number} of {name} is not as wide as its tokens", _REMEDY
            )


def _has(block: Any, path: str) -> bool:
    return _at(block, path) is not None


def _at(block: Any, path: str) -> Any:
    for name in path.split("."):
        block = getattr(block, name, None)
    return block
