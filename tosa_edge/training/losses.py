"""What training minimises, as pure functions of predictions and labels."""

from __future__ import annotations

import torch
from torch import Tensor

GRADIENT_SCALES = 4
# Labels are depth; beyond this the inverse says nothing more.
FARTHEST = 20.0


def inverse_depth(depth: Tensor) -> Tensor:
    """Metres [B, H, W] -> 1 / metres, 0 where there is no reading."""
    return torch.where(depth > 0, 1 / depth.clamp(0.1, FARTHEST), torch.zeros_like(depth))


def standardise(x: Tensor, valid: Tensor) -> Tensor:
    """Removes scale and shift robustly: median 0, mean absolute deviation 1. [B, H, W] -> the same."""
    flat = torch.where(valid, x, torch.nan).flatten(1)
    median = flat.nanmedian(dim=1).values.nan_to_num()[:, None, None]
    spread = ((x - median).abs() * valid).sum((1, 2)) / valid.sum((1, 2)).clamp(min=1)
    return (x - median) / spread.clamp(min=1e-4)[:, None, None]


def scale_and_shift_invariant(prediction: Tensor, depth: Tensor, gradient_weight: float = 0.5) -> Tensor:
    """Distance of inverse depths after each has lost its own scale and shift, plus that of their gradients.

    prediction [B, H, W], depth [B, H, W] in metres (0 = no reading) -> scalar.
    """
    valid = depth > 0
    error = standardise(prediction, valid) - standardise(inverse_depth(depth), valid)
    return _masked_mean(error.abs(), valid) + gradient_weight * gradient_matching(error, valid)


def gradient_matching(error: Tensor, valid: Tensor) -> Tensor:
    """How fast the error changes from pixel to pixel, at several scales: keeps edges sharp and walls flat."""
    total = error.new_zeros(())
    for scale in range(GRADIENT_SCALES):
        e, v = error[:, :: 2**scale, :: 2**scale], valid[:, :: 2**scale, :: 2**scale]
        across, down = v[:, :, 1:] & v[:, :, :-1], v[:, 1:] & v[:, :-1]
        total = total + _masked_mean((e[:, :, 1:] - e[:, :, :-1]).abs(), across)
        total = total + _masked_mean((e[:, 1:] - e[:, :-1]).abs(), down)
    return total


def attention_divergence(predicted: Tensor, target: Tensor) -> Tensor:
    """KL divergence of predicted attention maps [B, h, Q, T] from the true ones of the next layer."""
    target = target.clamp(min=1e-9)
    return (target * (target.log() - predicted.clamp(min=1e-9).log())).sum(-1).mean()


def _masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    return (x * mask).sum() / mask.sum().clamp(min=1)
