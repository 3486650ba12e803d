"""Small random models, for tests that need a PyTorch model and not a good one."""

from __future__ import annotations

from pathlib import Path

import torch

from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.net import VisionNet
from tosa_edge.nn.tosa import Pattern, grouped
from tosa_edge.nn.weights import save_net

TINY = ModelConfig(
    name="tiny", height=56, width=84, dim=32, layers=4, heads=2, head_layers=(0, 1, 2, 3), head_dim=16
)

# As Depth Anything is: another head, and positions on a square grid of their own.
TINY_DPT = ModelConfig(
    name="tiny",
    height=56,
    width=84,
    dim=32,
    layers=4,
    heads=2,
    head_layers=(0, 1, 2, 3),
    head="dpt",
    head_dim=16,
    head_channels=(8, 12, 16, 20),
    position_grid=(5, 5),
    selectors=False,
)

# A distilled DeiT's shape: two tokens before the patches, both read by the head, and no scales.
TINY_CLASSES = ModelConfig(
    name="tiny",
    height=64,
    width=96,
    patch=16,
    dim=32,
    layers=4,
    heads=2,
    registers=1,
    head_layers=(3,),
    head="linear",
    output="class_logits",
    classes=7,
    labels=("ant", "bee", "cat", "dog", "eel", "fox", "gnu"),
    head_reads=("class", "register"),
    layer_scale=False,
    selectors=False,
    crop=0.9,
)


def tiny_net(pattern: Pattern | None = None, config: ModelConfig = TINY, seed: int = 0) -> VisionNet:
    """Random weights whose layers matter: LayerScale near one, selectors off their identity."""
    torch.manual_seed(seed)
    net = VisionNet(config, pattern).eval()
    with torch.no_grad():
        for name, p in net.named_parameters():
            if name == "head.classes.weight":  # else no picture's answer differs from another's
                p.mul_(10)
            if "selectors" in name or name.endswith(("pos_embed", "cls_token")):
                p.add_(torch.randn_like(p) * 0.3)
            elif name.endswith("gamma"):
                p.mul_(torch.rand_like(p) + 0.5)
    return net


def tiny_checkpoint(folder: Path, config: ModelConfig = TINY) -> Path:
    path = folder / "tiny.safetensors"
    save_net(tiny_net(config=config), path)
    return path


def tiny_pattern(group: int = 1, keep: float = 0.5, **settings) -> Pattern:
    return Pattern(grouped(TINY.layers, group), keep, **settings)


def random_image(batch: int = 1, config: ModelConfig = TINY, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, config.height, config.width, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
