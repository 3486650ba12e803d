"""Checkpoints in and out: ours, and official DINOv2 or Depth-Anything-style encoders by their key names."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from tosa_edge.atomic_files import write_bytes
from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import require_regular
from tosa_edge.find_model import bundled_models
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.depth import DepthNet
from tosa_edge.nn.families import family_of
from tosa_edge.nn.positions import resample_positions
from tosa_edge.nn.tosa import Pattern

CONFIG_KEY = "tosa_edge"
# Where other projects keep the encoder inside their checkpoints.
ENCODER_PREFIXES = ("pretrained.", "backbone.", "teacher.backbone.", "module.", "model.", "encoder.")


def read_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], ModelConfig | None]:
    """The tensors of a safetensors file, and its configuration when it is one of ours."""
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise TosaEdgeError(
            f"there is no checkpoint {path}", "Give a .safetensors file or a bundled model's name."
        )
    if path.suffix in (".pth", ".pt", ".bin", ".ckpt"):
        raise TosaEdgeError(
            f"{path} is a pickle, and loading one can run any code",
            "Convert it once where you trust it: safetensors.torch.save_file(torch.load(PATH, "
            "weights_only=True), OUT).",
        )
    try:
        require_regular(path)
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            text = (file.metadata() or {}).get(CONFIG_KEY)
    except (SafetensorError, OSError) as error:
        raise TosaEdgeError(
            f"{path} is not a complete safetensors file: {error}", "Download or save it again."
        ) from error
    _refuse_what_is_no_number(tensors, f"in {path}", "Train it, or download it, again.")
    try:
        return tensors, ModelConfig.from_json(text) if text else None
    except ValueError as error:
        raise TosaEdgeError(
            f"the configuration inside {path} is damaged: {error}", "Save it again."
        ) from error
    except TosaEdgeError as error:
        raise TosaEdgeError(f"the configuration inside {path}: {error.what}", error.remedy) from error


def load_depth_net(
    path: str | Path, size: tuple[int, int] | None = None, pattern: Pattern | None = None
) -> DepthNet:
    """One of our checkpoints as a float32 model, at its own size or at another."""
    tensors, config = read_checkpoint(path)
    if config is None:
        raise _foreign(path, tensors)
    if fault := _fault(config, tensors):
        raise TosaEdgeError(
            f"{path} is not the model that its configuration describes: {fault}",
            "Download it, or save it, again.",
        )
    net = DepthNet(config.at(*size) if size else config, pattern)
    tensors["encoder.pos_embed"] = resample_positions(
        tensors["encoder.pos_embed"].float(), config.grid, net.config.grid
    )
    net.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return net.eval()


def _foreign(path: str | Path, tensors: dict[str, Tensor]) -> TosaEdgeError:
    family = family_of(tensors)
    if family is None:
        return TosaEdgeError(
            f"{path} is no model of tosa-edge's: {len(tensors)} tensors whose names are not known",
            f"Give one of ours: {', '.join(bundled_models())}, or what `tosa-edge train` or `distill` wrote.",
        )
    return TosaEdgeError(f"{path} is {family.name}; it is no model of tosa-edge's", family.remedy(path))


def load_encoder(net: DepthNet, tensors: dict[str, Tensor]) -> None:
    """Puts an official encoder's weights into a model, whatever size either is meant for."""
    tensors = strip_prefix(tensors)
    pos_embed = tensors.get("pos_embed", torch.empty(0)).float()
    side = math.isqrt(max(0, pos_embed.numel() // net.config.dim - 1))
    if pos_embed.shape != (1, 1 + side**2, net.config.dim):
        raise TosaEdgeError(
            f"pos_embed {list(pos_embed.shape)} is not of a square picture, {net.config.dim} wide",
            "Give a checkpoint with DINOv2's key names and shapes.",
        )
    tensors["pos_embed"] = resample_positions(pos_embed, (side, side), net.config.grid)
    known = net.encoder.state_dict()
    missing = [name for name in known if name not in tensors and not name.startswith("selectors.")]
    if missing:
        raise TosaEdgeError(
            f"the encoder lacks {len(missing)} tensors, {missing[0]} first",
            "Give a checkpoint with DINOv2's key names (blocks.0.attn.qkv.weight and so on).",
        )
    if fault := _misfit({name: known[name] for name in known if name in tensors}, tensors):
        raise TosaEdgeError(f"the encoder does not fit: {fault}", "Give a checkpoint of the model's size.")
    net.encoder.load_state_dict({k: v.float() for k, v in tensors.items() if k in known}, strict=False)


def _fault(config: ModelConfig, tensors: dict[str, Tensor]) -> str:
    """What keeps tensors from being those of one of our models, in words; known before memory is taken."""
    last = f"encoder.blocks.{config.layers - 1}.norm1.weight"
    if last not in tensors:  # so that what is claimed is not even drawn up
        return f"{last} is missing"
    with torch.device("meta"):
        wanted = DepthNet(config).state_dict()
    unknown = (f"{name[:60]!a} is not known" for name in tensors if name not in wanted)
    return _misfit(wanted, tensors) or next(unknown, "")


def _misfit(wanted: dict[str, Tensor], tensors: dict[str, Tensor]) -> str:
    """The first of the wanted tensors that is not there as it should be, in words."""
    for name, like in wanted.items():
        if name not in tensors:
            return f"{name} is missing"
        found = tensors[name]
        if found.shape != like.shape:
            return f"{name} is {list(found.shape)} and not {list(like.shape)}"
        if not found.is_floating_point():
            return f"{name} is {str(found.dtype).removeprefix('torch.')} and no fraction"
    return ""


def encoder_config(tensors: dict[str, Tensor], height: int, width: int, name: str = "model") -> ModelConfig:
    """The shape of an official encoder, read off its tensors. Heads are 64 wide in every DINOv2."""
    tensors = strip_prefix(tensors)
    try:
        patch, dim = tensors["patch_embed.proj.weight"].shape[-1], tensors["cls_token"].shape[-1]
        hidden = tensors["blocks.0.mlp.fc1.weight"].shape[0]
        layers = 1 + max(int(key.split(".")[1]) for key in tensors if key.startswith("blocks."))
        registers = tensors["register_tokens"].shape[1] if "register_tokens" in tensors else 0
    except (KeyError, IndexError, ValueError) as error:
        lacks = (
            f"has no {error.args[0]!r}" if isinstance(error, KeyError) else "has other shapes than DINOv2's"
        )
        raise TosaEdgeError(
            f"the checkpoint {lacks}",
            "Give an encoder with DINOv2's key names (blocks.0.attn.qkv.weight and so on).",
        ) from error
    if dim < 64 or dim % 64:
        raise TosaEdgeError(
            f"the checkpoint's cls_token is {dim} wide", "DINOv2's are multiples of 64: download it again."
        )
    return ModelConfig(
        name=name,
        height=height,
        width=width,
        patch=patch,
        dim=dim,
        layers=layers,
        heads=dim // 64,
        mlp_ratio=hidden / dim,
        registers=registers,
        head_layers=(0, layers // 3, 2 * layers // 3, layers - 1),
    )


def strip_prefix(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's own tensors, under their bare names."""
    for prefix in ENCODER_PREFIXES:
        if f"{prefix}cls_token" in tensors:
            return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
    return dict(tensors)


def save_depth_net(net: DepthNet, path: str | Path) -> None:
    """Half-precision safetensors with the configuration inside."""
    from safetensors.torch import save

    tensors = {name: tensor.half().contiguous() for name, tensor in net.state_dict().items()}
    remedy = (
        "Lower the rates: training has left what half precision can hold. What was saved before is whole."
    )
    _refuse_what_is_no_number(tensors, f"for {path}", remedy)
    write_bytes(Path(path), save(tensors, metadata={CONFIG_KEY: net.config.to_json()}))


def _refuse_what_is_no_number(tensors: dict[str, Tensor], where: str, remedy: str) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise TosaEdgeError(f"the weight {name[:60]!a} {where} holds NaN or infinity", remedy)
