"""How others name the tensors of a model: our names to those of their files.

Ours are the official ones: `encoder.` before DINOv2's, `head.` before the DPT head's. Before either a file
may have anything, which is found out; and blocks may be in chunks, of which the second number counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# What released files hold and inference never reads. A DPT head's coarsest map has nothing before it.
_UNUSED = re.compile(
    r"(^|\.)mask_token$"
    r"|(^|\.)refinenet4\.resConfUnit1\."
    r"|(^|\.)fusion_stage\.layers\.0\.residual_layer1\."
    r"|(^|\.)(dino|ibot)_head\."
)
_CHUNK = re.compile(r"(^|\.)blocks\.\d+\.(\d+\.)")

_Rules = tuple[tuple[str, str], ...]
_TRANSFORMERS: _Rules = (
    (r"^(cls_token|register_tokens)$", r"embeddings.\1"),
    (r"^pos_embed$", "embeddings.position_embeddings"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
    (r"^norm\.", "layernorm."),
    (r"^blocks\.", "encoder.layer."),
    (r"\.ls([12])\.gamma$", r".layer_scale\1.lambda1"),
)
_OLD: _Rules = (
    (r"\.attn\.qkv\.", ".attention.attention.{}."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
)
_NEW: _Rules = ((r"\.attn\.qkv\.", ".attention.{}."), (r"\.attn\.proj\.", ".attention.o_proj."))
_VIT: _Rules = (
    (r"^cls_token$", "embeddings.cls_token"),
    (r"^register_tokens$", "embeddings.distillation_token"),
    (r"^pos_embed$", "embeddings.position_embeddings"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
    (r"^norm\.", "layernorm."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
)
_VIT_OLD: _Rules = (
    (r"^blocks\.", "encoder.layer."),
    *_OLD,
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
)
_VIT_NEW: _Rules = ((r"^blocks\.", "layers."), *_NEW)
_NECK: _Rules = (
    (r"^projects\.(\d)\.", r"neck.reassemble_stage.layers.\1.projection."),
    (r"^resize_layers\.(\d)\.", r"neck.reassemble_stage.layers.\1.resize."),
    (r"^scratch\.layer1_rn\.", "neck.convs.0."),
    (r"^scratch\.layer2_rn\.", "neck.convs.1."),
    (r"^scratch\.layer3_rn\.", "neck.convs.2."),
    (r"^scratch\.layer4_rn\.", "neck.convs.3."),
    # The coarsest is their first.
    (r"^scratch\.refinenet1\.", "neck.fusion_stage.layers.3."),
    (r"^scratch\.refinenet2\.", "neck.fusion_stage.layers.2."),
    (r"^scratch\.refinenet3\.", "neck.fusion_stage.layers.1."),
    (r"^scratch\.refinenet4\.", "neck.fusion_stage.layers.0."),
    (r"\.out_conv\.", ".projection."),
    (r"\.resConfUnit([12])\.conv([12])\.", r".residual_layer\1.convolution\2."),
    (r"^scratch\.output_conv1\.", "head.conv1."),
    (r"^scratch\.output_conv2\.0\.", "head.conv2."),
    (r"^scratch\.output_conv2\.2\.", "head.conv3."),
)


@dataclass(frozen=True)
class Layout:
    """`encoder` and `head` stand before the names; `qkv` are the names of three tensors where one is ours."""

    encoder: str = ""
    head: str = ""
    encoder_rules: _Rules = ()
    head_rules: _Rules = ()
    qkv: tuple[str, ...] = ()

    def stored(self, name: str) -> tuple[str, ...]:
        """The names in the file of what is ours under this name, to be put one after another."""
        part, _, rest = name.partition(".")
        prefix, rules = (
            (self.encoder, self.encoder_rules) if part == "encoder" else (self.head, self.head_rules)
        )
        for pattern, replacement in rules:
            rest = re.sub(pattern, replacement, rest)
        return tuple(f"{prefix}{rest.format(one)}" for one in self.qkv) if "{}" in rest else (prefix + rest,)


def layout_of(kind: str, names: Iterable[str]) -> Layout:
    """The layout of a file, of one of four kinds: `official`, `timm`, `transformers`, or its `vit`."""
    names = list(names)
    if kind == "timm":
        return _timm(names)
    if kind == "vit":
        return _vit(names)
    if kind == "official":
        head = _before("scratch.refinenet1.out_conv.weight", names, default="depth_head.")
        return Layout(_before("cls_token", names), head)
    new = any(name.endswith("layer.0.attention.q_proj.weight") for name in names)
    qkv = ("q_proj", "k_proj", "v_proj") if new else ("query", "key", "value")
    encoder = _before("embeddings.cls_token", names)
    head = _before("neck.convs.0.weight", names)
    if head or any(name.startswith("neck.") for name in names):
        return Layout(encoder, head, _TRANSFORMERS + (_NEW if new else _OLD), _NECK, qkv)
    return Layout(
        encoder, "", _TRANSFORMERS + (_NEW if new else _OLD), ((r"^classes\.", "classifier."),), qkv
    )


def _timm(names: list[str]) -> Layout:
    """Also Meta's, whose DeiT-III has other names for its scales, and DINOv2's linear classifiers."""
    encoder = _before("cls_token", names)
    known = ("dist_token", "register_tokens", "reg_token")
    token = next((name for name in known if f"{encoder}{name}" in names), known[-1])
    rules: _Rules = ((r"^register_tokens$", token),)
    if f"{encoder}blocks.0.gamma_1" in names:
        rules += ((r"\.ls([12])\.gamma$", r".gamma_\1"),)
    name = "linear_head" if any(n.endswith("linear_head.weight") for n in names) else "head"
    head = _before(f"{name}.weight", names)
    return Layout(encoder, head, rules, ((r"^classes\.", f"{name}."), (r"^distilled\.", "head_dist.")))


def _vit(names: list[str]) -> Layout:
    new = any(name.endswith("layers.0.attention.q_proj.weight") for name in names)
    qkv = ("q_proj", "k_proj", "v_proj") if new else ("query", "key", "value")
    first = "cls_classifier" if "cls_classifier.weight" in names else "classifier"
    heads = ((r"^classes\.", f"{first}."), (r"^distilled\.", "distillation_classifier."))
    return Layout(
        _before("embeddings.cls_token", names), "", _VIT + (_VIT_NEW if new else _VIT_OLD), heads, qkv
    )


def unused(name: str) -> bool:
    return bool(_UNUSED.search(name))


def without_chunks(name: str) -> str:
    """`blocks.0.7.norm1.weight`, as a training in chunks saves it: the chunk is dropped."""
    return _CHUNK.sub(r"\1blocks.\2", name)


def _before(ending: str, names: list[str], default: str = "") -> str:
    """What stands before a name that only one tensor has; a teacher's, where there is a student's too."""
    found = [name[: -len(ending)] for name in names if name == ending or name.endswith(f".{ending}")]
    return min(found, key=lambda prefix: (not prefix.startswith("teacher."), prefix), default=default)
