"""Tokens after the last layer to a score for each class: one linear map of what it is fed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tosa_edge.nn.config import ModelConfig


class ClassHead(nn.Module):
    """Normalised tokens [B, P + N, D] of one layer -> logits float32 [B, C].

    A DeiT's two heads, of the class token and of the distillation token, are one that reads both, each with
    half of its weights: their mean is what such a model answers.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.reads, self.prefix = config.head_reads, 1 + config.registers
        self.classes = nn.Linear(len(self.reads) * config.dim, config.classes)

    def forward(self, features: Sequence[Tensor], pixels: Tensor) -> Tensor:
        (x,) = features
        fed = {"class": x[:, 0], "register": x[:, 1], "patches": x[:, self.prefix :].mean(1)}
        return self.classes(torch.cat([fed[what] for what in self.reads], dim=-1)).float()
