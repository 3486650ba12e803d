"""A light depth head: four layers' patch features and a thin image branch to one number per pixel.

Patch features are 14 pixels coarse. What is nearer than what comes from them; where exactly the edge runs
comes from the picture itself, through two cheap strided convolutions. About 1 GFLOP at 252x336 (1 GFLOP =
1e9 multiplications and additions): more would eat what the skipped tokens save.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from tosa_edge.nn.config import ModelConfig


def resize(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear, to the height and width of another map."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


class Refine(nn.Module):
    """Two 3x3 convolutions around a residual: [B, C, H, W] -> the same."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(dim, dim, 3, padding=1)
        self.conv2 = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class LastConv(nn.Conv2d):
    """float32 in every precision: half has too few steps for far, flat walls."""

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.float()
        return self._conv_forward(x.float(), self.weight.float(), bias)


class DepthHead(nn.Module):
    """Features (four of [B, N, D]) and the picture [B, 3, H, W] to inverse depth or depth [B, H, W].

    patches (1/14): sum of the four projections, refined
    quarter (1/4):  upsampled, joined with the image branch
    half    (1/2):  upsampled, joined again; four numbers per place are the four pixels of the full size
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim = config.head_dim
        self.grid_of = config.grid_of
        self.project = nn.ModuleList(nn.Linear(config.dim, dim) for _ in config.head_layers)
        self.patches = Refine(dim)
        self.edges_half = nn.Conv2d(3, dim // 4, 3, stride=2, padding=1)
        self.edges_quarter = nn.Conv2d(dim // 4, dim // 2, 3, stride=2, padding=1)
        self.to_quarter = nn.Conv2d(dim, dim // 2, 1)
        self.quarter = Refine(dim // 2)
        self.to_half = nn.Conv2d(dim // 2, dim // 4, 1)
        self.half_res = nn.Conv2d(dim // 4, dim // 4, 3, padding=1)
        self.out = LastConv(dim // 4, 4, 3, padding=1)

    def forward(self, features: list[Tensor], image: Tensor) -> Tensor:
        tokens = sum(project(f) for project, f in zip(self.project, features, strict=True))
        x = self.patches(tokens.transpose(1, 2).unflatten(2, self.grid_of(image)))
        half = F.relu(self.edges_half(image))
        quarter = F.relu(self.edges_quarter(half))
        x = self.quarter(resize(self.to_quarter(x), quarter) + quarter)
        x = F.relu(self.half_res(F.relu(resize(self.to_half(x), half) + half)))
        # No activation: the loss ignores scale and shift, and a ReLU here died on whole pictures.
        return F.pixel_shuffle(self.out(x), 2).squeeze(1)
