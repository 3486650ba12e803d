"""What a checkpoint is, ours or another's, found out without PyTorch where it is a safetensors file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tosa_edge.errors import TosaEdgeError
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.facts import Told
from tosa_edge.nn.foreign import Foreign, whole_model
from tosa_edge.nn.shapes import Shapes, parameter_shapes
from tosa_edge.nn.stored import Stored, open_checkpoint

CONFIG_KEY = "tosa_edge"


@dataclass(frozen=True)
class Examined:
    """A model that can be loaded. `model` is at the size that is wanted, with the grid of its positions."""

    stored: Stored
    model: ModelConfig
    foreign: Foreign | None = None


def config_inside(stored: Stored) -> ModelConfig | None:
    """The configuration of one of ours; None of another's."""
    text, path = stored.metadata.get(CONFIG_KEY), stored.path
    try:
        return ModelConfig.from_json(text) if text else None
    except ValueError as error:
        raise TosaEdgeError(
            f"the configuration inside {path} is damaged: {error}", "Save it again."
        ) from error
    except TosaEdgeError as error:
        raise TosaEdgeError(f"the configuration inside {path}: {error.what}", error.remedy) from error


def examine(path: str | Path, size: tuple[int, int] | None = None, told: Told | None = None) -> Examined:
    """Whose model a checkpoint is and that all its tensors are there; or why it is none."""
    stored = open_checkpoint(Path(path))
    config = config_inside(stored)
    if config is None:
        foreign = whole_model(stored, told, size)
        return Examined(stored, foreign.config, foreign)
    if told and told != Told():
        raise TosaEdgeError(
            f"{path} is one of ours, and says itself what it is", "Leave --family and --max-depth out."
        )
    if fault := _fault(config, stored):
        raise TosaEdgeError(
            f"{path} is not the model that its configuration describes: {fault}",
            "Download it, or save it, again.",
        )
    grid = config.stored_grid
    return Examined(stored, replace(config.at(*size) if size else config, position_grid=grid))


def _fault(config: ModelConfig, stored: Stored) -> str:
    """What keeps tensors from being those of one of our models, in words."""
    last = f"encoder.blocks.{config.layers - 1}.norm1.weight"
    if last not in stored.shapes:  # the first to be missed where more layers are claimed than there are
        return f"{last} is missing"
    wanted: Shapes = parameter_shapes(config)
    for name, shape in wanted.items():
        if name not in stored.shapes:
            return f"{name} is missing"
        if stored.shapes[name] != shape:
            return f"{name} is {list(stored.shapes[name])} and not {list(shape)}"
        if not stored.is_fraction(name):
            return f"{name} is {stored.kinds[name][:20]} and no fraction"
    return next((f"{name[:60]!a} is not known" for name in stored.shapes if name not in wanted), "")
