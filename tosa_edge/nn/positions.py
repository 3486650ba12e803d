"""Where a patch lies: the position embedding, taken from one grid of patches to another."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# DINOv2 scales by (new + 0.1) / old, a guard of its own against rounding; its weights expect it.
INTERPOLATE_OFFSET = 0.1


def resample_positions(
    pos_embed: Tensor, old: tuple[int, int], new: tuple[int, int], rule: str = "offset"
) -> Tensor:
    """Position embedding [1, 1 + N, D] from one patch grid to another, in float32 (bicubic).

    The rules are those of `nn/position_rules.py`: the same weights were fitted through one of them, and give
    something else through another.
    """
    if old == new:
        return pos_embed
    grid = pos_embed[:, 1:].float().unflatten(1, old).permute(0, 3, 1, 2)
    to: dict[str, Any] = {"size": new}
    if rule == "offset":
        to = {"scale_factor": [(n + INTERPOLATE_OFFSET) / o for n, o in zip(new, old, strict=True)]}
    grid = F.interpolate(grid, **to, mode="bicubic", antialias=rule == "antialias")
    if grid.shape[-2:] != new:
        raise ValueError(f"resampled {old} to {tuple(grid.shape[-2:])}, not {new}")
    patches = grid.flatten(2).transpose(1, 2).to(pos_embed.dtype)
    return torch.cat((pos_embed[:, :1], patches), dim=1)
