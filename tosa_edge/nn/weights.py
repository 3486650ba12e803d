"""Checkpoints in and out: ours, and those of the families in `nn/foreign.py`, as models of ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from tosa_edge.atomic_files import write_bytes
from tosa_edge.errors import TosaEdgeError
from tosa_edge.nn.classifiers import in_our_form
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.examine import CONFIG_KEY, config_inside, examine
from tosa_edge.nn.facts import Told, with_official_head
from tosa_edge.nn.foreign import Foreign, encoder_of
from tosa_edge.nn.net import VisionNet
from tosa_edge.nn.positions import resample_positions
from tosa_edge.nn.stored import Stored, open_checkpoint
from tosa_edge.nn.tosa import Pattern

POSITIONS = "encoder.pos_embed"
Size = tuple[int, int]


def load_net(
    path: str | Path, size: Size | None = None, pattern: Pattern | None = None, told: Told | None = None
) -> VisionNet:
    """A checkpoint, ours or another's, as a float32 model, at its own size or at another."""
    tensors, config = _read(path, size, told)
    return _net(_resampled(tensors, config), replace(config, position_grid=()), pattern)


def save_as_ours(
    path: str | Path, out: Path, name: str, size: Size | None = None, told: Told | None = None
) -> ModelConfig:
    """A checkpoint, ours or another's, as one of ours for pictures of that size, in half precision.

    Positions of another's stay as they are stored: whatever the size, they are resampled once.
    """
    tensors, config = _read(path, size, told)
    if not config.head_channels and not config.family:
        tensors, config = _resampled(tensors, config), replace(config, position_grid=())
    net = _net(tensors, replace(config, name=name))
    save_net(net, out)
    return net.config


def load_encoder(
    path: str | Path, size: Size, name: str = "model", head: str = "tosa"
) -> tuple[VisionNet, str]:
    """Another's encoder under a new head, and what is to be said of it."""
    stored = open_checkpoint(Path(path))
    found = encoder_of(stored, size, name)
    tensors = _resampled(_gathered(stored, found), found.config)
    config = with_official_head(found.config) if head == "dpt" else found.config
    net = VisionNet(replace(config, position_grid=()))
    _refuse_what_is_no_number(tensors, f"in {path}", "Download it again.")
    net.load_state_dict(tensors, strict=False)
    return net, found.said


def read_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], ModelConfig | None]:
    """All tensors of a file as they are, and its configuration when it is one of ours."""
    stored = open_checkpoint(Path(path))
    config = config_inside(stored)
    tensors = stored.tensors(stored.shapes)
    _refuse_what_is_no_number(tensors, f"in {path}", "Train it, or download it, again.")
    return tensors, config


def save_net(net: VisionNet, path: str | Path) -> None:
    """Half-precision safetensors with the configuration inside."""
    from safetensors.torch import save

    tensors = {name: tensor.half().contiguous() for name, tensor in net.state_dict().items()}
    remedy = (
        "Half precision cannot hold it. If it was trained, lower the rates: what was saved before is whole."
    )
    _refuse_what_is_no_number(tensors, f"for {path}", remedy)
    write_bytes(Path(path), save(tensors, metadata={CONFIG_KEY: net.config.to_json()}))


def _read(path: str | Path, size: Size | None, told: Told | None) -> tuple[dict[str, Tensor], ModelConfig]:
    """Tensors under our names, float32, and the model for pictures of that size; positions as stored."""
    found = examine(path, size, told)
    tensors = found.stored.tensors(found.stored.shapes) if found.foreign is None else {}
    if found.foreign is not None:
        tensors = _gathered(found.stored, found.foreign)
    _refuse_what_is_no_number(tensors, f"in {path}", "Train it, or download it, again.")
    return {name: tensor.float() for name, tensor in tensors.items()}, found.model


def _gathered(stored: Stored, found: Foreign) -> dict[str, Tensor]:
    read = stored.tensors(part for parts in found.sources.values() for part in parts)
    ours = {name: torch.cat([read[part] for part in parts]).float() for name, parts in found.sources.items()}
    return in_our_form(ours, found.prefix)


def _resampled(tensors: dict[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Positions brought to the size of the pictures."""
    moved = resample_positions(tensors[POSITIONS], config.stored_grid, config.grid, config.positions)
    return {**tensors, POSITIONS: moved}


def _net(tensors: dict[str, Tensor], config: ModelConfig, pattern: Pattern | None = None) -> VisionNet:
    net = VisionNet(config, pattern)
    # Selectors that nobody trained are as they are made.
    net.load_state_dict(tensors, strict=config.selectors)
    return net.eval()


def _refuse_what_is_no_number(tensors: dict[str, Tensor], where: str, remedy: str) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise TosaEdgeError(f"the weight {name[:60]!a} {where} holds NaN or infinity", remedy)
