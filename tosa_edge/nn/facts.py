"""What a Depth Anything checkpoint does not say by its tensors: V1 or V2, relative or metric, how far.

A flag tells it, or transformers' `config.json` beside the file, or the file's name; else it is assumed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import read_bytes
from tosa_edge.nn.config import ModelConfig
from tosa_edge.strict_json import read_object

V1, V2, DISTILL = "depth-anything-v1", "depth-anything-v2", "distill-any-depth"
FAMILIES = {V1: "Depth Anything V1", V2: "Depth Anything V2", DISTILL: "Distill-Any-Depth"}
INDOORS, OUTDOORS = 20.0, 80.0
# Of encoders so wide: the head's own width, and that of its four maps.
_OFFICIAL_HEADS = {
    384: (64, (48, 96, 192, 384)),
    768: (128, (96, 192, 384, 768)),
    1024: (256, (256, 512, 1024, 1024)),
}
_HUB = ("model.safetensors", "pytorch_model.bin")  # of these the folder's name tells more
_MODELS = ("depth_anything", "dinov2", "dinov2_with_registers", "vit", "deit")
# What transformers' configuration may say and is read in no other way.
_ONLY = {
    "hidden_act": "gelu",
    "apply_layernorm": True,
    "use_swiglu_ffn": False,
    "head_in_index": -1,
    "reassemble_factors": [4, 2, 1, 0.5],
}


@dataclass(frozen=True)
class Told:
    """What the user says; max_depth in metres, 0 for a relative model."""

    family: str = ""
    max_depth: float | None = None

    def __post_init__(self) -> None:
        if self.family not in ("", *FAMILIES):
            raise TosaEdgeError(
                f"--family {self.family[:40]} is not known", f"Choose one of: {', '.join(FAMILIES)}."
            )
        if self.max_depth is not None and not 0 <= self.max_depth <= 1e4:
            raise TosaEdgeError(
                f"--max-depth {self.max_depth:g} is no range in metres",
                "Give 20 indoors, 80 outdoors, 0: none.",
            )


@dataclass(frozen=True)
class Facts:
    """heads and epsilon are None where nothing says them. `said`: what was taken from where."""

    family: str
    taps: tuple[int, ...]
    max_depth: float
    heads: int | None
    epsilon: float | None
    said: str


def official_taps(family: str, layers: int) -> tuple[int, ...]:
    """The four layers that the head reads: V1's last, of V2 the ends of quarters, but for L's first."""
    if family == V1:
        return tuple(range(layers - 4, layers))
    return (4, 11, 17, 23) if layers == 24 else tuple(layers * k // 4 - 1 for k in (1, 2, 3, 4))


def with_official_head(config: ModelConfig) -> ModelConfig:
    """The same encoder under a head of V2's shape, for relative depth."""
    if config.dim not in _OFFICIAL_HEADS:
        raise TosaEdgeError(
            f"there is no DPT head for an encoder {config.dim} wide",
            f"Choose one of {', '.join(map(str, _OFFICIAL_HEADS))}, or leave head out of the recipe.",
        )
    width, channels = _OFFICIAL_HEADS[config.dim]
    taps = official_taps(V2, config.layers)
    return replace(config, head="dpt", head_dim=width, head_channels=channels, head_layers=taps)


def gather_facts(path: Path, layers: int, told: Told) -> Facts:
    """The best that is known of a Depth Anything checkpoint of so many layers."""
    config, name = read_config(path), _name(path)
    backbone = config.get("backbone_config")
    backbone = backbone if isinstance(backbone, dict) else {}
    _check_usual(path, {**config, **backbone})
    taps = _taps(backbone)
    guesses: dict[str, str] = {}

    def first(what: str, *sources: tuple[str, Any]) -> Any:
        how, value = next((how, value) for how, value in sources if value is not None)
        guesses[what] = how
        return value

    by_taps = {official_taps(f, layers): f for f in (V1, V2)}
    family = first(
        "family",
        ("as told", told.family or None),
        ("by config.json", by_taps.get(taps) if taps else None),
        ("by its name", _family_of(name)),
        ("assumed", V2),
    )
    max_depth = first(
        "depth",
        ("as told", told.max_depth),
        ("by config.json", _max_depth(path, config)),
        ("by its name", _range_of(name)),
        ("assumed", 0.0),
    )
    if told.family or not taps:
        taps = official_taps(family, layers)
    kind = f"metric to {max_depth:g} m" if max_depth else "relative inverse depth"
    said = f"{FAMILIES[family]} ({guesses['family']}), {kind} ({guesses['depth']})"
    heads, epsilon = (
        _number(path, backbone, "num_attention_heads", int),
        _number(path, backbone, "layer_norm_eps", float),
    )
    return Facts(FAMILIES[family], taps, float(max_depth), heads, epsilon, said)


def encoder_facts(path: Path) -> tuple[int | None, float | None]:
    """Heads and epsilon of an encoder, where transformers' configuration says them."""
    config = read_config(path)
    inner = config.get("backbone_config")
    config = inner if isinstance(inner, dict) else config
    _check_usual(path, {k: v for k, v in config.items() if k in ("hidden_act", "use_swiglu_ffn")})
    return _number(path, config, "num_attention_heads", int), _number(path, config, "layer_norm_eps", float)


def read_config(path: Path) -> dict[str, Any]:
    """transformers' configuration beside a checkpoint; empty where there is none of a model like these."""
    raw = beside(path)
    return raw if raw.get("model_type") in _MODELS else {}


def beside(path: Path, name: str = "config.json") -> dict[str, Any]:
    """That file beside a checkpoint, whoever wrote it; empty where there is none."""
    config = path.parent / name
    if not config.is_file():
        return {}
    try:
        return read_object(read_bytes(config))
    except (OSError, ValueError) as error:
        raise TosaEdgeError(
            f"{config}, which says what {path.name} is, is damaged: {error}",
            "Download it again, or remove it.",
        ) from None


def _taps(backbone: dict[str, Any]) -> tuple[int, ...]:
    """0-based: theirs count the embedding as stage 0."""
    found = backbone.get("out_indices")
    if not isinstance(found, list):
        names = backbone.get("out_features")
        found = [_stage(name) for name in names] if isinstance(names, list) else []
    return tuple(n - 1 for n in found if type(n) is int)


def _stage(name: Any) -> int | None:
    found = re.fullmatch(r"stage(\d{1,3})", name) if isinstance(name, str) else None
    return int(found[1]) if found else None


def _max_depth(path: Path, config: dict[str, Any]) -> float | None:
    kind = config.get("depth_estimation_type")
    if kind == "metric":
        return _number(path, config, "max_depth", float) or INDOORS
    return 0.0 if kind == "relative" else None


def _number(path: Path, config: dict[str, Any], key: str, kind: Callable[[Any], Any]) -> Any:
    value = config.get(key)
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not 0 < value < 1e6
        or kind(value) != value
    ):
        raise TosaEdgeError(
            f"{path.parent / 'config.json'}: {key} is {str(value)[:40]!a}", "Download it again, or remove it."
        )
    return kind(value)


def _check_usual(path: Path, config: dict[str, Any]) -> None:
    for key, usual in _ONLY.items():
        if config.get(key, usual) != usual:
            raise TosaEdgeError(
                f"{path.parent / 'config.json'}: {key} is {str(config[key])[:40]!a} and not {usual!r}",
                "No released model has that: download it again, or ask for it with an issue.",
            )


def _name(path: Path) -> str:
    name = path.absolute().parent.name if path.name in _HUB else path.name
    return name.lower().replace("-", "_")


def _family_of(name: str) -> str | None:
    if "distill" in name:
        return DISTILL
    if re.search(r"(^|_)v2(_|\.|$)", name):
        return V2
    return V1 if re.search(r"depth_anything_(v1|vit[sbl]|small|base|large)", name) else None


def _range_of(name: str) -> float | None:
    if re.search(r"hypersim|indoor", name):
        return INDOORS
    if re.search(r"vkitti|outdoor", name):
        return OUTDOORS
    if "metric" in name:
        return INDOORS
    return 0.0 if re.search(r"depth_anything|distill", name) else None
