"""Other people's classifiers: ViT, DeiT, DeiT-III and DINOv2 under a linear head, as models of ours.

Our encoder has a position for the class token and none for registers. Where a file has it otherwise the same
sums are stored otherwise: a class token without a position gets one of zeros; a distillation token is a
register with its position added, and its head the other half of one head that reads both tokens. Only the
description is made here, without PyTorch: `in_our_form` does it to tensors.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.errors import TosaEdgeError
from tosa_edge.field_checks import line, list_of, number
from tosa_edge.graph_info import LOGITS, MOST_CLASSES
from tosa_edge.nn.facts import Told, beside, encoder_facts
from tosa_edge.nn.families import READ
from tosa_edge.nn.shapes import parameter_shapes

if TYPE_CHECKING:
    from torch import Tensor

    from tosa_edge.nn.foreign import Foreign, Reader

_WEIGHT, _BIAS, _DISTILLED = "head.classes.weight", "head.classes.bias", "head.distilled"
_POSITIONS = "encoder.pos_embed"
_DISTILLATION = ("dist_token", "distillation_token")
# Of a file alone: DeiT and DeiT-III at 224 are published with it, and so are most of timm's; DINOv2 and what
# is larger see the whole square.
_CROPS = {224: 0.9}


def classifier(reader: Reader, told: Told, size: tuple[int, int] | None) -> Foreign:
    """A checkpoint with a head for classes, as a model of ours."""
    from tosa_edge.nn.foreign import Foreign

    if told != Told():
        raise TosaEdgeError(
            f"{reader.path} is {reader.family.name}, and gives no depth",
            "Leave --family and --max-depth out.",
        )
    dim, patch = reader.width(), reader.patch()
    distilled = reader.layout.stored(f"{_DISTILLED}.weight")[0] in reader.shapes
    prefix = _tokens_with_a_position(reader)
    side = reader.side(prefix)
    classes, fed = reader.shape(_WEIGHT, 2)
    heads, epsilon = encoder_facts(reader.path)
    facts = _facts_beside(reader.path, classes)
    positions = "antialias" if reader.family.layout == "timm" else "size"
    if "linear_head" in reader.layout.stored(_WEIGHT)[0]:  # Meta's own of DINOv2
        positions = "offset"
    if fed not in (dim, 2 * dim) or (distilled and fed != dim):
        raise reader.refused(f"its head reads {fed} numbers of tokens {dim} wide, and not one layer's", READ)
    height, width = size or (side * patch, side * patch)
    config = reader.config(
        prefix,
        height=height,
        width=width,
        heads=heads or reader.heads(dim),
        epsilon=epsilon or 1e-6,
        positions=positions,
        head="linear",
        head_layers=(reader.layers() - 1,),
        family=reader.family.name,
        output=LOGITS,
        classes=classes,
        head_reads=("class", "register") if distilled else ("class", "patches") if fed > dim else ("class",),
        layer_scale=reader.layout.stored("encoder.blocks.0.ls1.gamma")[0] in reader.shapes,
        selectors=False,
        **{"crop": _CROPS.get(side * patch, 1.0) if patch == 16 else 1.0, **facts},
    )
    wanted = {name: shape for name, shape in parameter_shapes(config).items() if ".selectors." not in name}
    wanted[_POSITIONS] = (1, prefix + side**2, dim)
    if distilled:
        wanted |= {
            _WEIGHT: (classes, dim),
            f"{_DISTILLED}.weight": (classes, dim),
            f"{_DISTILLED}.bias": (classes,),
        }
    sources, _ = reader.match(wanted, config.family)
    said = f"{reader.path.name} is read as {config.family}, {classes} classes"
    if "mean" not in facts:
        said += ", trained on pictures of ImageNet's mean and deviation (assumed)"
    return Foreign(config, said, sources, prefix)


def in_our_form(tensors: dict[str, Tensor], prefix: int) -> dict[str, Tensor]:
    """Tensors under our names as they are stored elsewhere, where `prefix` tokens have a position."""
    import torch

    positions = tensors[_POSITIONS]
    if prefix == 0:
        tensors = {**tensors, _POSITIONS: torch.cat((torch.zeros_like(positions[:, :1]), positions), dim=1)}
    if prefix == 2:
        token = tensors["encoder.register_tokens"] + positions[:, 1:2]
        positions = torch.cat((positions[:, :1], positions[:, 2:]), dim=1)
        tensors = {**tensors, _POSITIONS: positions, "encoder.register_tokens": token}
    if f"{_DISTILLED}.weight" in tensors:
        tensors = dict(tensors)
        weight, bias = tensors.pop(f"{_DISTILLED}.weight"), tensors.pop(f"{_DISTILLED}.bias")
        tensors[_WEIGHT] = torch.cat((tensors[_WEIGHT], weight), dim=1) / 2
        tensors[_BIAS] = (tensors[_BIAS] + bias) / 2
    return tensors


def _tokens_with_a_position(reader: Reader) -> int:
    """2 with a distillation token; 0 where there is a square of patches and no more (DeiT-III)."""
    register = reader.layout.stored("encoder.register_tokens")[0]
    if register in reader.shapes and register.endswith(_DISTILLATION):
        return 2
    places = reader.shape(_POSITIONS, 3)[1]
    return 0 if math.isqrt(places) ** 2 == places else 1


def _facts_beside(path: Path, classes: int) -> dict[str, Any]:
    """What timm's or transformers' files beside it say of pictures and classes."""
    raw, seen = beside(path), beside(path, "preprocessor_config.json")
    pictures = raw.get("pretrained_cfg", {})
    if "image_mean" in seen and "image_std" in seen:  # transformers'
        pictures = {"mean": seen["image_mean"], "std": seen["image_std"], "crop_pct": 1.0}
        whole, part = seen.get("size"), seen.get("crop_size")
        if seen.get("do_center_crop") and isinstance(whole, dict) and isinstance(part, dict):
            longer, shorter = whole.get("shortest_edge"), part.get("height")
            if isinstance(longer, int) and isinstance(shorter, int) and 0 < shorter <= longer:
                pictures["crop_pct"] = shorter / longer
    names = raw.get("label_names") or raw.get("id2label")
    if isinstance(names, dict):
        names = [names.get(str(index)) for index in range(len(names))]
    try:
        found: dict[str, Any] = {}
        colours = list_of(number(0, 1), 3)
        if isinstance(pictures, dict) and "mean" in pictures and "std" in pictures:
            found |= {"mean": colours(pictures["mean"]), "std": colours(pictures["std"])}
            found["crop"] = number(0.1, 1)(pictures.get("crop_pct", 1.0))
        if isinstance(names, list) and len(names) == classes:
            found["labels"] = list_of(line, MOST_CLASSES)(names)
    except ValueError as error:
        raise TosaEdgeError(
            f"{path.parent / 'config.json'}: one of mean, std, crop_pct and the labels {error}",
            "Download it again, or remove it.",
        ) from None
    return found
