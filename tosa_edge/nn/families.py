"""Whose checkpoint it is, by the names of its tensors; and what can be done with it today."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_TRAIN = (
    "A depth head of ours can be trained on its encoder: tosa-edge train tosa_depth_s --data SHARDS -o OUT "
    "--start {path}."
)
_NOT_READ = "Its encoder is not read yet; of DINOv2 and Depth Anything V1 and V2 the official files are."


@dataclass(frozen=True)
class Family:
    """name: in words. known: whether its encoder's key names are read, so a training may begin with it."""

    name: str
    known: bool

    def remedy(self, path: object) -> str:
        return _TRAIN.format(path=path) if self.known else _NOT_READ


# The first whose patterns are all found is the one: what only some of a family's models have comes first.
_MARKS: tuple[tuple[Family, tuple[str, ...]], ...] = (
    (
        Family("Depth Anything 3 (METRIC or MONO)", False),
        (r"scratch\.sky_output_conv2\.",),
    ),
    (Family("Depth Anything 3", False), (r"(^|\.)camera_token$",)),
    (Family("Depth Anything 3", False), (r"scratch\.refinenet1_aux\.",)),
    (
        Family("Depth Anything in transformers' layout, with its depth head", False),
        (r"backbone\.encoder\.layer\.0\.attention\.attention\.query\.weight$", r"neck\."),
    ),
    (
        Family("Depth Anything V1 or V2 with a SwiGLU encoder (giant), with its depth head", False),
        (r"depth_head\.scratch\.", r"blocks\.0\.mlp\.w12\."),
    ),
    (
        Family("Depth Anything with blocks in chunks (as a training or Distill-Any-Depth saves them)", False),
        (r"depth_head\.scratch\.", r"blocks\.\d+\.\d+\."),
    ),
    (
        Family("Depth Anything V1 or V2 with its own depth head, which is not read yet", True),
        (r"depth_head\.scratch\.refinenet1\.", r"blocks\.0\.attn\.qkv\.weight$"),
    ),
    (Family("DINOv3", False), (r"(^|\.)(storage_tokens|rope_embed\.periods)$",)),
    (Family("DINOv3 in transformers' layout", False), (r"layer\.0\.attention\.q_proj\.weight$",)),
    (Family("an encoder with registers in timm's layout", False), (r"(^|\.)reg_token$",)),
    (Family("DINOv2 in transformers' layout", False), (r"encoder\.layer\.0\.attention\.attention\.query\.",)),
    (Family("a DeiT with a distillation token", False), (r"(^|\.)dist_token$",)),
    (Family("a DeiT-III of Meta's", False), (r"blocks\.0\.gamma_1$",)),
    (Family("DINOv2 with a SwiGLU encoder (giant)", False), (r"blocks\.0\.mlp\.w12\.",)),
    (Family("an encoder in chunks, as a training saves it", False), (r"blocks\.\d+\.\d+\.",)),
    (
        Family("DINOv2 with registers, without a depth head", True),
        (r"(^|\.)register_tokens$", r"blocks\.0\.ls1\.gamma$"),
    ),
    (
        Family("DINOv2, without a depth head", True),
        (r"blocks\.0\.attn\.qkv\.weight$", r"blocks\.0\.ls1\.gamma$", r"(^|\.)pos_embed$"),
    ),
    (
        Family("a plain vision transformer (timm's, DeiT), without a depth head", False),
        (r"blocks\.0\.attn\.qkv\.weight$",),
    ),
)


def family_of(keys: Iterable[str]) -> Family | None:
    """The family whose patterns all match the tensor names, or None."""
    names = list(keys)
    for family, marks in _MARKS:
        if all(any(re.search(mark, name) for name in names) for mark in marks):
            return family
    return None
