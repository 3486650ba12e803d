"""Depth Anything and DINOv2 as their authors publish them: names and shapes written down from the released
files, with random numbers; and what the official code computes from them, spelt out in functions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def encoder(dim=128, layers=4, side=5, registers=0, seed=0, prefix="") -> dict[str, Tensor]:
    shapes = {
        "cls_token": (1, 1, dim),
        "pos_embed": (1, 1 + side**2, dim),
        "mask_token": (1, dim),
        "patch_embed.proj.weight": (dim, 3, 14, 14),
        "patch_embed.proj.bias": (dim,),
        "norm.weight": (dim,),
        "norm.bias": (dim,),
    }
    if registers:
        shapes["register_tokens"] = (1, registers, dim)
    for i in range(layers):
        for name, shape in {
            "norm1.weight": (dim,),
            "norm1.bias": (dim,),
            "attn.qkv.weight": (3 * dim, dim),
            "attn.qkv.bias": (3 * dim,),
            "attn.proj.weight": (dim, dim),
            "attn.proj.bias": (dim,),
            "ls1.gamma": (dim,),
            "norm2.weight": (dim,),
            "norm2.bias": (dim,),
            "mlp.fc1.weight": (4 * dim, dim),
            "mlp.fc1.bias": (4 * dim,),
            "mlp.fc2.weight": (dim, 4 * dim),
            "mlp.fc2.bias": (dim,),
            "ls2.gamma": (dim,),
        }.items():
            shapes[f"blocks.{i}.{name}"] = shape
    return _random(shapes, prefix, seed)


def head(dim=128, features=16, channels=(8, 12, 16, 20), seed=1, prefix="depth_head.") -> dict[str, Tensor]:
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(name, outputs, inputs, kernel, bias=True):
        shapes[f"{name}.weight"] = (outputs, inputs, kernel, kernel)
        if bias:
            shapes[f"{name}.bias"] = (outputs,)

    for k, c in enumerate(channels):
        conv(f"projects.{k}", c, dim, 1)
        conv(f"scratch.layer{k + 1}_rn", features, c, 3, bias=False)
        conv(f"scratch.refinenet{k + 1}.out_conv", features, features, 1)
        for unit in (1, 2):
            for n in (1, 2):
                conv(f"scratch.refinenet{k + 1}.resConfUnit{unit}.conv{n}", features, features, 3)
    conv("resize_layers.0", channels[0], channels[0], 4)
    conv("resize_layers.1", channels[1], channels[1], 2)
    conv("resize_layers.3", channels[3], channels[3], 3)
    conv("scratch.output_conv1", features // 2, features, 3)
    conv("scratch.output_conv2.0", 32, features // 2, 3)
    conv("scratch.output_conv2.2", 1, 32, 1)
    found = _random(shapes, prefix, seed)
    found[f"{prefix}scratch.output_conv2.2.weight"] *= 0.1  # or a sigmoid would be 0 or 1
    return found


def depth_anything(dim=128, layers=4, side=5, seed=0, **of_the_head) -> dict[str, Tensor]:
    return encoder(dim, layers, side, seed=seed, prefix="pretrained.") | head(
        dim, seed=seed + 1, **of_the_head
    )


def _random(shapes: dict[str, tuple[int, ...]], prefix: str, seed: int) -> dict[str, Tensor]:
    """Such numbers that every part shows in the result."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, shape in shapes.items():
        number = torch.randn(shape, generator=generator)
        if name.endswith("gamma") or ("norm" in name and name.endswith("weight")):
            number = 1 + 0.2 * number
        elif len(shape) > 1 and "token" not in name and "pos" not in name:
            number = number * (2 / number[0].numel()) ** 0.5
        else:
            number = 0.3 * number
        found[prefix + name] = number
    return found


def positions(stored: Tensor, rows: int, columns: int, registers: bool = False) -> Tensor:
    """In float32, as released: DINOv2's factor with 0.1 more, or with registers the exact size, filtered."""
    side = round((stored.shape[1] - 1) ** 0.5)
    if (rows, columns) == (side, side):
        return stored
    grid = stored[0, 1:].float().T.reshape(1, -1, side, side)
    if registers:
        grid = F.interpolate(grid, size=(rows, columns), mode="bicubic", antialias=True)
    else:
        factor = ((rows + 0.1) / side, (columns + 0.1) / side)
        grid = F.interpolate(grid, scale_factor=factor, mode="bicubic", antialias=False)
    assert grid.shape[-2:] == (rows, columns)
    return torch.cat((stored[:, :1], grid.flatten(2).transpose(1, 2).to(stored.dtype)), 1)


def taps(w: dict[str, Tensor], picture: Tensor, layers: int, wanted: tuple[int, ...]) -> list[Tensor]:
    """picture uint8 [B, H, W, 3] -> the normed patch tokens after each of these blocks, [B, N, D]."""
    kind = w["cls_token"].dtype
    mean, std = (torch.tensor(v, dtype=kind).view(3, 1, 1) for v in (MEAN, STD))
    x = (picture.to(kind).permute(0, 3, 1, 2) / 255 - mean) / std
    rows, columns = x.shape[2] // 14, x.shape[3] // 14
    x = F.conv2d(x, w["patch_embed.proj.weight"], w["patch_embed.proj.bias"], stride=14)
    x = torch.cat((w["cls_token"].expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)), 1)
    extra = w.get("register_tokens")
    x = x + positions(w["pos_embed"], rows, columns, extra is not None)
    if extra is not None:
        x = torch.cat((x[:, :1], extra.expand(len(x), -1, -1), x[:, 1:]), 1)
    first = 1 if extra is None else 1 + extra.shape[1]
    dim = x.shape[-1]
    found = []

    def norm(x, name):
        return F.layer_norm(x, (dim,), w[f"{name}.weight"], w[f"{name}.bias"], 1e-6)

    def linear(x, name):
        return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    for i in range(layers):
        b = f"blocks.{i}"
        q, k, v = (
            linear(norm(x, f"{b}.norm1"), f"{b}.attn.qkv")
            .view(*x.shape[:2], 3, -1, 64)
            .permute(2, 0, 3, 1, 4)
        )
        mixed = ((q / 8) @ k.transpose(-2, -1)).softmax(-1) @ v
        x = x + w[f"{b}.ls1.gamma"] * linear(mixed.transpose(1, 2).flatten(2), f"{b}.attn.proj")
        hidden = F.gelu(linear(norm(x, f"{b}.norm2"), f"{b}.mlp.fc1"))
        x = x + w[f"{b}.ls2.gamma"] * linear(hidden, f"{b}.mlp.fc2")
        if i in wanted:
            found.append(norm(x, "norm")[:, first:])
    return found


def depth(
    w: dict[str, Tensor], features: list[Tensor], rows: int, columns: int, max_depth: float = 0.0
) -> Tensor:
    """The DPT head on four taps -> [B, 14 rows, 14 columns]."""

    def conv(x, name, **how):
        return F.conv2d(x, w[f"{name}.weight"], w.get(f"{name}.bias"), **how)

    def larger(x, size):
        return F.interpolate(x, size=size, mode="bilinear", align_corners=True)

    def unit(x, name):
        return x + conv(conv(x.relu(), f"{name}.conv1", padding=1).relu(), f"{name}.conv2", padding=1)

    maps = [
        conv(f.transpose(1, 2).reshape(len(f), -1, rows, columns), f"projects.{k}")
        for k, f in enumerate(features)
    ]
    for k, factor in ((0, 4), (1, 2)):
        name = f"resize_layers.{k}"
        maps[k] = F.conv_transpose2d(maps[k], w[f"{name}.weight"], w[f"{name}.bias"], stride=factor)
    maps[3] = conv(maps[3], "resize_layers.3", stride=2, padding=1)
    maps = [conv(x, f"scratch.layer{k}_rn", padding=1) for k, x in enumerate(maps, 1)]
    x = None
    for k in (4, 3, 2, 1):
        name = f"scratch.refinenet{k}"
        x = maps[k - 1] if x is None else x + unit(maps[k - 1], f"{name}.resConfUnit1")
        size = maps[k - 2].shape[-2:] if k > 1 else [2 * n for n in maps[0].shape[-2:]]
        x = conv(larger(unit(x, f"{name}.resConfUnit2"), size), f"{name}.out_conv")
    x = larger(conv(x, "scratch.output_conv1", padding=1), (14 * rows, 14 * columns))
    x = conv(conv(x, "scratch.output_conv2.0", padding=1).relu(), "scratch.output_conv2.2")
    return (x.sigmoid() * max_depth if max_depth else x.relu().relu())[:, 0]


def deit(dim: int = 64, layers: int = 12, classes: int = 3) -> dict[str, torch.Tensor]:
    """A DeiT of timm's, of random numbers, for pictures of 64x64."""
    names = {
        "cls_token": (1, 1, dim),
        "pos_embed": (1, 17, dim),
        "patch_embed.proj.weight": (dim, 3, 16, 16),
        "patch_embed.proj.bias": (dim,),
        "norm.weight": (dim,),
        "norm.bias": (dim,),
        "head.weight": (classes, dim),
        "head.bias": (classes,),
    }
    shapes = {"norm1": (dim,), "norm2": (dim,), "attn.qkv": (3 * dim, dim), "attn.proj": (dim, dim)}
    shapes |= {"mlp.fc1": (4 * dim, dim), "mlp.fc2": (dim, 4 * dim)}
    for layer in range(layers):
        for name, shape in shapes.items():
            names[f"blocks.{layer}.{name}.weight"] = shape
            names[f"blocks.{layer}.{name}.bias"] = shape[:1]
    generator = torch.Generator().manual_seed(0)
    return {name: 0.1 * torch.randn(shape, generator=generator) for name, shape in names.items()}
