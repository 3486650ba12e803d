"""The whole model: a camera's picture in; depth, or a score for each class, and the kept patches out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tosa_edge.nn.class_head import ClassHead
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.dpt import DptHead
from tosa_edge.nn.encoder import Encoder
from tosa_edge.nn.head import DepthHead, resize
from tosa_edge.nn.tosa import Pattern

Head = DepthHead | DptHead | ClassHead
_HEADS: dict[str, type[Head]] = {"tosa": DepthHead, "dpt": DptHead, "linear": ClassHead}


class VisionNet(nn.Module):
    """Dense or token-selective: `pattern` may be changed at any time, the weights are the same.

    Example:
        >>> net = VisionNet(ModelConfig(), Pattern(grouped(12, 1), keep=0.5, query_stride=8))
        >>> depth, kept = net(image)    # image: uint8 [B, H, W, 3] -> [B, H, W], int32 [B, G, K]
    """

    def __init__(self, config: ModelConfig, pattern: Pattern | None = None) -> None:
        super().__init__()
        self.config = config
        self.pattern = pattern or Pattern()
        self.encoder = Encoder(config)
        self.head: Head = _HEADS[config.head](config)
        # Not just "mean": the exporter calls the output of an operator so, and a graph has one of each name.
        self.register_buffer("pixel_mean", _per_channel(config.mean), persistent=False)
        self.register_buffer("pixel_std", _per_channel(config.std), persistent=False)

    def normalise(self, image: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] -> [B, 3, H, W] in the precision of the weights."""
        # Cast first: TensorRT transposes no uint8. Then channels first: a broadcast along the last axis costs
        # five times as much.
        pixels = (image.float().permute(0, 3, 1, 2) - self.pixel_mean) / self.pixel_std
        return pixels.to(self.encoder.cls_token.dtype)

    def forward(self, image: Tensor, kept: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Depth float32 [B, H, W] or logits [B, C], and the kept patches [B, G, K] unless dense."""
        pixels = self.normalise(image)
        features, selections = self.encoder(pixels, self.pattern, kept)
        answer = self.head(features, pixels)
        return answer if selections is None else (answer, selections)

    def half(self) -> VisionNet:
        """Half precision, but for the constants of the normalisation."""
        super().half()
        self.pixel_mean, self.pixel_std = _per_channel(self.config.mean), _per_channel(self.config.std)
        return self


def answer_at(net: VisionNet, image: Tensor, size: tuple[int, int], pattern: Pattern) -> Tensor:
    """Depth [B, H, W] of pictures uint8 [B, H, W, 3] seen at that size, enlarged again; or logits [B, C]."""
    pixels = net.normalise(image)
    seen = pixels
    if size != pixels.shape[-2:]:
        seen = F.interpolate(pixels.float(), size, mode="area").to(pixels.dtype)
    features, _ = net.encoder(seen, pattern)
    answer: Tensor = net.head(features, seen)
    return answer if seen is pixels or answer.ndim == 2 else resize(answer[:, None], pixels)[:, 0]


def _per_channel(values: tuple[float, ...]) -> Tensor:
    """Statistics of 0..1 pictures as [3, 1, 1] for 0..255 ones."""
    return 255 * torch.tensor(values).view(3, 1, 1)
