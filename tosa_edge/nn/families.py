"""Whose checkpoint it is, by the names and shapes of its tensors; and what can be done with it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

TRAIN = (
    "A depth head of ours can be trained on its encoder: tosa-edge train tosa_depth_s --data SHARDS -o OUT "
    "--start {path}."
)
READ = (
    "Depth Anything V1 and V2, Distill-Any-Depth and DINOv2 (S, B, L) are read, and classifiers of ViT, "
    "DeiT, DeiT-III and DINOv2: official files, timm's, and transformers'."
)


@dataclass(frozen=True)
class Family:
    """name: in words. layout: how its tensors are named (`nn/layouts.py`), empty where it is not read.
    head: whether its depth head is there, so that it is a whole model. classifies: or
    its head for classes."""

    name: str
    layout: str = ""
    head: bool = False
    classifies: bool = False


_QKV, _SCALE = r"blocks\.(\d+\.)?0\.attn\.qkv\.weight$", r"blocks\.(\d+\.)?0\.ls1\.gamma$"
_DPT = r"scratch\.refinenet1\.out_conv\.weight$"
_QUERY = r"encoder\.layer\.0\.attention\.(attention\.query|q_proj)\.weight$"
_CLASSES = r"(^|\.)((linear_)?head|(cls_)?classifier)\.weight$"
# The first whose patterns are all found (and with a ! before it, not found) is the one: what only some of a
# family's models have comes first.
_MARKS: tuple[tuple[Family, tuple[str, ...]], ...] = (
    (Family("Depth Anything 3 (METRIC or MONO)"), (r"scratch\.sky_output_conv2\.",)),
    (Family("Depth Anything 3"), (r"(^|\.)camera_token$",)),
    (Family("Depth Anything 3"), (r"scratch\.refinenet1_aux\.",)),
    (Family("DINOv3"), (r"(^|\.)(storage_tokens|rope_embed\.periods)$",)),
    (
        Family("DINOv3 in transformers' layout"),
        (r"layer\.0\.attention\.q_proj\.weight$", r"!embeddings\.position_embeddings$"),
    ),
    (
        Family("Depth Anything with a SwiGLU encoder (giant)"),
        (_DPT, r"\.mlp\.w12\."),
    ),
    (
        Family("Depth Anything with a SwiGLU encoder (giant), in transformers' layout"),
        (r"(^|\.)neck\.", r"\.mlp\.(weights_in|gate_proj)\."),
    ),
    (Family("Depth Anything in transformers' layout", "transformers", True), (_QUERY, r"(^|\.)neck\.")),
    (Family("Depth Anything", "official", True), (_DPT, _QKV)),
    (Family("a depth head of Meta's for DINOv2, without the encoder"), (r"(^|\.)decode_head\.",)),
    (Family("DINOv2 with a SwiGLU encoder (giant)"), (r"\.mlp\.(w12|weights_in|gate_proj)\.",)),
    (Family("a ViT with q and k normalised"), (r"\.attn\.q_norm\.", _QKV)),
    (Family("a ViT whose head reads the mean of its patches"), (r"(^|\.)fc_norm\.weight$", _QKV)),
    (
        Family("a distilled DeiT", "timm", classifies=True),
        (r"(^|\.)dist_token$", r"(^|\.)head_dist\.weight$", _QKV),
    ),
    (Family("a DeiT-III of Meta's", "timm", classifies=True), (r"blocks\.0\.gamma_1$", _CLASSES, _QKV)),
    (
        Family("DINOv2 under a linear classifier", "timm", classifies=True),
        (_QKV, r"(^|\.)linear_head\.weight$"),
    ),
    (Family("a classifier in timm's layout", "timm", classifies=True), (_QKV, _CLASSES)),
    (
        Family("DINOv2 under a classifier, in transformers' layout", "transformers", classifies=True),
        (_QUERY, _CLASSES, r"\.lambda1$"),
    ),
    (
        Family("a ViT or DeiT classifier in transformers' layout", "vit", classifies=True),
        (r"\.layernorm_before\.weight$", _CLASSES),
    ),
    (Family("an encoder with registers in timm's layout"), (r"(^|\.)reg_token$",)),
    (Family("a DeiT with a distillation token, without its heads"), (r"(^|\.)dist_token$",)),
    (Family("a DeiT-III of Meta's, without its head"), (r"blocks\.0\.gamma_1$",)),
    (
        Family("DINOv2 with registers in transformers' layout, without a depth head", "transformers"),
        (_QUERY, r"(^|\.)register_tokens$"),
    ),
    (Family("DINOv2 in transformers' layout, without a depth head", "transformers"), (_QUERY,)),
    (
        Family("DINOv2 with registers, without a depth head", "official"),
        (r"(^|\.)register_tokens$", _QKV, _SCALE),
    ),
    (Family("DINOv2, without a depth head", "official"), (_QKV, _SCALE, r"(^|\.)pos_embed$")),
    (Family("a plain vision transformer (timm's, DeiT), without a depth head"), (_QKV,)),
)


def family_of(shapes: Mapping[str, tuple[int, ...]]) -> Family | None:
    """The family whose patterns all match the tensors' names, or None."""
    for family, marks in _MARKS:
        if all(_found(mark, shapes) for mark in marks):
            if family.layout == "official" and _positions_of_patches_alone(shapes):
                return Family("a DeiT-III, or another whose class token has no position, in timm's layout")
            return family
    return None


def _found(mark: str, names: Mapping[str, tuple[int, ...]]) -> bool:
    wanted = not mark.startswith("!")
    return any(re.search(mark.removeprefix("!"), name) for name in names) == wanted


def _positions_of_patches_alone(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """A square of patches, and not one more: timm's DeiT-III has DINOv2's names."""
    for name, shape in shapes.items():
        if re.search(r"(^|\.)pos_embed$", name) and len(shape) == 3 and shape[1] > 1:
            return math.isqrt(shape[1]) ** 2 == shape[1]
    return False
