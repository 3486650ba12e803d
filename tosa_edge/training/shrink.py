"""A smaller model made out of a larger one: fewer layers, narrower MLPs, and no training yet.

Each of the student's layers begins as a layer of the larger model, and takes over the work of several: what
its MLP writes back is fitted, by least squares over some pictures, so that the tokens after it are those
that the larger model has after the layer it imitates. Layer after layer, so each also mends what those
before it got wrong. Training then begins near the end instead of on the plateau where all depth is one.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from tosa_edge.errors import TosaEdgeError
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.encoder import Block, LayerScale
from tosa_edge.nn.net import VisionNet
from tosa_edge.nn.stack import standard_layer
from tosa_edge.nn.tosa import attention
from tosa_edge.training.recipe import Shrink

PICTURES = 128  # some fifty thousand tokens, for some hundreds of weights to each number that is fitted
_AT_ONCE = 8
_RIDGE = 1e-3  # of a hidden unit's mean power: how strongly the old weights hold their place
_LEAST_GAMMA = 1e-3  # a layer scale near zero could write nothing back


@torch.no_grad()
def shrink(net: VisionNet, shape: Shrink, name: str, images: Tensor) -> VisionNet:
    """The student, fitted on pictures, uint8 [N, H, W, 3]."""
    check(net.config, shape)
    config = net.config
    small = VisionNet(
        replace(
            config,
            name=name,
            layers=len(shape.layers),
            mlp_ratio=shape.hidden / config.dim,
            head_layers=tuple(shape.imitates.index(layer) for layer in config.head_layers),
        )
    )
    kept = {n: t for n, t in net.state_dict().items() if ".blocks." not in n and ".selectors." not in n}
    small.load_state_dict(kept, strict=False)
    batches = [net.encoder.embed(net.normalise(some)) for some in images.split(_AT_ONCE)]
    shown = [_after(net, batch, shape.imitates) for batch in batches]
    for new, old in enumerate(shape.layers):
        layer = small.encoder.block(new)
        middles = _begin(layer, net.encoder.block(old), batches, shape.hidden)
        _refit(layer, middles, [wanted[new] for wanted in shown])
        batches = [middle + layer.ls2(layer.mlp(layer.norm2(middle))) for middle in middles]
        if new < len(shape.layers) - 1:
            selector = net.encoder.selector(min(old, config.layers - 2))
            small.encoder.selector(new).load_state_dict(selector.state_dict())
    return small.eval()


def check(config: ModelConfig, shape: Shrink) -> None:
    """The student's layers exist, imitate layers in order, and the head finds all that it reads."""
    unread = [layer for layer in config.head_layers if layer not in shape.imitates]
    ascending = sorted(set(shape.imitates)) == list(shape.imitates)
    counted = len(shape.layers) == len(shape.imitates) > 0
    if unread or not ascending or not counted or max((*shape.layers, *shape.imitates)) >= config.layers:
        raise TosaEdgeError(
            f"layers {list(shape.layers)} imitating {list(shape.imitates)} do not fit a model of "
            f"{config.layers} layers whose head reads {list(config.head_layers)}",
            "Name as many layers as are imitated, ascending, and among these all that the head reads.",
        )
    if shape.hidden > config.dim * config.mlp_ratio:
        raise TosaEdgeError(
            f"hidden {shape.hidden} is more than the {int(config.dim * config.mlp_ratio)} units there are",
            "Choose fewer: shrinking only takes away.",
        )


def _after(net: VisionNet, x: Tensor, layers: tuple[int, ...]) -> list[Tensor]:
    """The tokens after each of these layers."""
    found = []
    for number in range(max(layers) + 1):
        x, _ = standard_layer(net.encoder.block(number), x)
        if number in layers:
            found.append(x)
    return found


def _begin(new: Block, old: Block, batches: list[Tensor], hidden: int) -> list[Tensor]:
    """Makes `new` the old layer with the units that matter most: the tokens between attention and MLP."""
    new.load_state_dict({n: t for n, t in old.state_dict().items() if not n.startswith("mlp.")}, strict=False)
    middles = []
    for x in batches:
        mixed = attention(new.attn.qkv(new.norm1(x)), new.attn.num_heads, new.attn.scale)
        middles.append(x + new.ls1(new.attn.proj(mixed)))
    active = F.gelu(old.mlp.fc1(new.norm2(torch.cat(middles[:4])))).flatten(0, 1)
    units = busiest(active, old.mlp.fc2.weight, hidden)
    new.mlp.fc1.weight.copy_(old.mlp.fc1.weight[units])
    new.mlp.fc1.bias.copy_(old.mlp.fc1.bias[units])
    new.mlp.fc2.weight.copy_(old.mlp.fc2.weight[:, units])
    new.mlp.fc2.bias.copy_(old.mlp.fc2.bias)
    return middles


def busiest(active: Tensor, fc2: Tensor, count: int) -> Tensor:
    """The hidden units that move the output most: active [M, H], fc2 [D, H] -> [count], ascending."""
    moved = active.var(0) * fc2.square().sum(0)
    return torch.sort(moved.topk(count).indices).values


def _refit(layer: Block, middles: list[Tensor], wanted: list[Tensor]) -> None:
    """The MLP's second matrix and bias, so that `middle + MLP` comes nearest to `wanted`."""
    assert isinstance(layer.ls2, LayerScale)  # as every model of ours has
    gamma = layer.ls2.gamma
    old = torch.cat((layer.mlp.fc2.weight.T, layer.mlp.fc2.bias[None])) * gamma
    size = len(old)
    power = torch.zeros(size, size, dtype=torch.float64)
    missing = torch.zeros(size, layer.mlp.fc2.out_features, dtype=torch.float64)
    for middle, target in zip(middles, wanted, strict=True):
        active = F.gelu(layer.mlp.fc1(layer.norm2(middle))).flatten(0, 1)
        active = torch.cat((active, active.new_ones(len(active), 1)), dim=1)
        power += (active.T @ active).double()
        missing += (active.T @ ((target - middle).flatten(0, 1) - active @ old)).double()
    power += _RIDGE * power.diagonal().mean() * torch.eye(size)
    fitted = old + torch.linalg.solve(power, missing).to(old.dtype)
    gamma.copy_(torch.where(gamma.abs() < _LEAST_GAMMA, _LEAST_GAMMA, gamma))
    layer.mlp.fc2.weight.copy_((fitted[:-1] / gamma).T)
    layer.mlp.fc2.bias.copy_(fitted[-1] / gamma)
