"""The depth head of Depth Anything (DPT, arXiv 2103.13413): four maps, fused from coarse to fine.

The taps become maps of 4, 2, 1 and 1/2 times the patch grid. From the coarsest on each is added to what
came before and both are brought to the size of the next; convolutions around it. Half a million to six
million multiplications a patch, so at small widths a fifth to a third of the model's time: nothing of it is
skipped. Parameters under the names of the official checkpoints.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.head import LastConv, Refine
from tosa_edge.nn.shapes import LAST_WIDTH


def enlarge(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear; the corner pixels of both maps lie upon each other."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


class Fusion(nn.Module):
    """What came before and the lateral map, refined and at another size: [B, F, h, w] -> [B, F, *size].

    The coarsest has nothing before it, and no first unit.
    """

    def __init__(self, width: int, coarsest: bool) -> None:
        super().__init__()
        self.resConfUnit1 = None if coarsest else Refine(width)
        self.resConfUnit2 = Refine(width)
        self.out_conv = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, lateral: Tensor | None, size: tuple[int, int]) -> Tensor:
        if self.resConfUnit1 is not None and lateral is not None:
            x = x + self.resConfUnit1(lateral)
        return self.out_conv(enlarge(self.resConfUnit2(x), size))


class DptHead(nn.Module):
    """Features (four of [B, N, D]) and the picture [B, 3, H, W] to inverse depth, or metres, [B, H, W]."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, channels = config.head_dim, config.head_channels
        self.grid_of, self.max_depth = config.grid_of, config.max_depth
        self.projects = nn.ModuleList(nn.Conv2d(config.dim, c, 1) for c in channels)
        first, second, _, last = channels
        self.resize_layers = nn.ModuleList(
            [
                nn.ConvTranspose2d(first, first, 4, stride=4),
                nn.ConvTranspose2d(second, second, 2, stride=2),
                nn.Identity(),
                nn.Conv2d(last, last, 3, stride=2, padding=1),
            ]
        )
        parts: dict[str, nn.Module] = {}
        for number, c in enumerate(channels, 1):
            parts[f"layer{number}_rn"] = nn.Conv2d(c, width, 3, padding=1, bias=False)
            parts[f"refinenet{number}"] = Fusion(width, coarsest=number == len(channels))
        parts["output_conv1"] = nn.Conv2d(width, width // 2, 3, padding=1)
        parts["output_conv2"] = nn.Sequential(
            nn.Conv2d(width // 2, LAST_WIDTH, 3, padding=1), nn.ReLU(), LastConv(LAST_WIDTH, 1, 1)
        )
        self.scratch = nn.ModuleDict(parts)
        # A new head begins above 0: below, the last ReLU would let nothing back.
        nn.init.ones_(cast(Tensor, cast(nn.Sequential, parts["output_conv2"])[-1].bias))

    def forward(self, features: list[Tensor], image: Tensor) -> Tensor:
        x = self.fuse(self.laterals(features, self.grid_of(image)))
        height, width = image.shape[-2:]
        out = self.scratch["output_conv2"](enlarge(self.scratch["output_conv1"](x), (height, width)))
        depth = torch.sigmoid(out) * self.max_depth if self.max_depth else F.relu(out)
        return depth.squeeze(1)

    def laterals(self, features: list[Tensor], grid: tuple[int, int]) -> list[Tensor]:
        """The taps as maps of one width, the finest first."""
        maps = [f.transpose(1, 2).unflatten(2, grid) for f in features]
        found = []
        for number, (project, resize, x) in enumerate(
            zip(self.projects, self.resize_layers, maps, strict=True), 1
        ):
            found.append(self.scratch[f"layer{number}_rn"](resize(project(x))))
        return found

    def fuse(self, laterals: list[Tensor]) -> Tensor:
        """From the coarsest to twice the size of the finest."""
        down, across = laterals[0].shape[-2:]
        sizes = [(2 * down, 2 * across), *((x.shape[-2], x.shape[-1]) for x in laterals[:-1])]
        x = cast(Fusion, self.scratch[f"refinenet{len(laterals)}"])(laterals[-1], None, sizes[-1])
        for number in range(len(laterals) - 1, 0, -1):
            x = self.scratch[f"refinenet{number}"](x, laterals[number - 1], sizes[number - 1])
        return x
