"""What training minimises, as pure functions of predictions and labels.

Each is a mean over pictures, and what a picture adds depends on it alone: so processes that share a batch
have, on the average, the loss of the whole.
"""

from __future__ import annotations

import torch
from torch import Tensor

GRADIENT_SCALES = 4
GRADIENT_WEIGHT = 0.5
# Labels are depth; beyond this the inverse says nothing more.
MAX_LABEL_M = 20.0


def inverse_depth(depth: Tensor) -> Tensor:
    """Metres [B, H, W] -> 1 / metres, 0 where there is no reading."""
    return torch.where(depth > 0, 1 / depth.clamp(0.1, MAX_LABEL_M), torch.zeros_like(depth))


def standardise(x: Tensor, valid: Tensor, shifted: bool = True) -> Tensor:
    """Removes scale and shift robustly: median 0, mean absolute deviation 1. [B, H, W] -> the same.

    Not `shifted`: only the scale."""
    flat = torch.where(valid, x, torch.nan).flatten(1)
    median = flat.nanmedian(dim=1).values.nan_to_num()[:, None, None]
    deviation = ((x - median).abs() * valid).sum((1, 2)) / valid.sum((1, 2)).clamp(min=1)
    return (x - median if shifted else x) / deviation.clamp(min=1e-4)[:, None, None]


def depth_loss(prediction: Tensor, depth: Tensor, positive: bool = False) -> Tensor:
    """Half of each loss below: prediction [B, H, W], depth [B, H, W] in metres (0 = no reading) -> scalar.

    Free scale is what we want in the end, but from a random head it is a plateau (a hundred steps near the
    loss of noise): the flatter the prediction, the more its own noise is blown up. The canonical loss leads
    off it, and both together ended lower than either (128 frames, 120 steps: 1.15 against 1.20 and 1.26).
    """
    return 0.5 * scale_and_shift_invariant(prediction, depth) + 0.5 * canonical(prediction, depth, positive)


def scale_and_shift_invariant(prediction: Tensor, depth: Tensor) -> Tensor:
    """Distance of inverse depths after each has lost its own scale and shift."""
    valid = depth > 0
    return _distance(standardise(prediction, valid), standardise(inverse_depth(depth), valid), valid)


def canonical(prediction: Tensor, depth: Tensor, positive: bool = False) -> Tensor:
    """Distance of the prediction as it stands from inverse depth without its scale and shift; of heads that
    give nothing below 0 (`positive`), without its scale."""
    valid = depth > 0
    return _distance(prediction, standardise(inverse_depth(depth), valid, not positive), valid)


def _distance(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    error = prediction - target
    return _masked_mean(error.abs(), valid) + GRADIENT_WEIGHT * gradient_matching(error, valid)


def gradient_matching(error: Tensor, valid: Tensor) -> Tensor:
    """How fast the error changes from pixel to pixel, at several scales: keeps edges sharp and walls flat."""
    total = error.new_zeros(())
    for scale in range(GRADIENT_SCALES):
        e, v = error[:, :: 2**scale, :: 2**scale], valid[:, :: 2**scale, :: 2**scale]
        across, down = v[:, :, 1:] & v[:, :, :-1], v[:, 1:] & v[:, :-1]
        total = total + _masked_mean((e[:, :, 1:] - e[:, :, :-1]).abs(), across)
        total = total + _masked_mean((e[:, 1:] - e[:, :-1]).abs(), down)
    return total


def feature_distance(features: list[Tensor], target: list[Tensor]) -> Tensor:
    """Mean squared distance as a share of the target's variance, over the layers. Each [B, N, D]."""
    shares = [
        (f.float() - t.float()).square().mean((1, 2)) / t.float().var((1, 2))
        for f, t in zip(features, target, strict=True)
    ]
    return torch.stack(shares).mean()


def depth_distance(depth: Tensor, target: Tensor) -> Tensor:
    """Mean distance of two predictions [B, H, W], as a share of the target's spread."""
    return ((depth - target).abs().mean((1, 2)) / target.std((1, 2)).clamp(min=1e-6)).mean()


def class_divergence(logits: Tensor, target: Tensor) -> Tensor:
    """KL divergence of the classes [B, C] that a student gives from the teacher's."""
    wanted = target.float().log_softmax(-1)
    return (wanted.exp() * (wanted - logits.float().log_softmax(-1))).sum(-1).mean()


def attention_divergence(predicted: Tensor, target: Tensor) -> Tensor:
    """KL divergence of predicted attention maps [B, h, Q, T] from the true ones of the next layer."""
    target = target.clamp(min=1e-9)
    return (target * (target.log() - predicted.clamp(min=1e-9).log())).sum(-1).mean()


def _masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    return ((x * mask).sum((1, 2)) / mask.sum((1, 2)).clamp(min=1)).mean()
