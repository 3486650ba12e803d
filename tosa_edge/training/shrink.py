"""A smaller model cut out of a larger one: fewer layers, narrower MLPs.

What is left computes nearly what it did, because a transformer's layers each add a little to what passes
through; so training goes on instead of beginning anew.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from tosa_edge.errors import TosaEdgeError
from tosa_edge.nn.depth import DepthNet
from tosa_edge.training.recipe import Shrink


def shrink(net: DepthNet, shape: Shrink, name: str) -> DepthNet:
    """The layers named, in order, with the `hidden` MLP units that weigh most."""
    config = net.config
    lost = [layer for layer in config.head_layers if layer not in shape.layers]
    if lost or max(shape.layers) >= config.layers:
        raise TosaEdgeError(
            f"layers {list(shape.layers)} do not fit a model of {config.layers} layers "
            f"whose head reads {list(config.head_layers)}",
            "Name layers that exist, and among them all that the head reads.",
        )
    if shape.hidden > config.dim * config.mlp_ratio:
        raise TosaEdgeError(
            f"hidden {shape.hidden} is more than the {int(config.dim * config.mlp_ratio)} units there are",
            "Choose fewer: shrinking only takes away.",
        )
    small = DepthNet(
        replace(
            config,
            name=name,
            layers=len(shape.layers),
            mlp_ratio=shape.hidden / config.dim,
            head_layers=tuple(shape.layers.index(layer) for layer in config.head_layers),
        )
    )
    small.load_state_dict(_cut(net, shape), strict=True)
    return small.eval()


def _cut(net: DepthNet, shape: Shrink) -> dict[str, Tensor]:
    kept = {}
    for name, tensor in net.state_dict().items():
        if ".blocks." not in name and ".selectors." not in name:
            kept[name] = tensor
    for new, old in enumerate(shape.layers):
        block = net.encoder.block(old)
        units = weightiest(block.mlp.fc1.weight, block.mlp.fc2.weight, shape.hidden)
        for name, tensor in block.state_dict().items():
            if name.startswith("mlp.fc1"):
                tensor = tensor[units]
            elif name == "mlp.fc2.weight":
                tensor = tensor[:, units]
            kept[f"encoder.blocks.{new}.{name}"] = tensor
        if new < len(shape.layers) - 1:
            for name, tensor in net.encoder.selector(old).state_dict().items():
                kept[f"encoder.selectors.{new}.{name}"] = tensor
    return kept


def weightiest(fc1: Tensor, fc2: Tensor, count: int) -> Tensor:
    """The hidden units whose weights in and out are largest: fc1 [H, D], fc2 [D, H] -> [count], ascending."""
    return torch.sort((fc1.norm(dim=1) * fc2.norm(dim=0)).topk(count).indices).values
