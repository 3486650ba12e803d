"""How one model is trained, as a TOML file: what it starts from, and one stage after another."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tosa_edge.errors import TosaEdgeError
from tosa_edge.field_checks import (
    boolean,
    dataclass_from,
    file_name,
    integer,
    list_of,
    number,
    one_of,
    optional,
    pair,
    text,
)
from tosa_edge.files import read_bytes
from tosa_edge.nn.config import HEADS
from tosa_edge.strict_json import MAX_BYTES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Stage:
    """A part of a training with a schedule of its own.

    A dense stage trains the model and, beside it, the selectors alone, unless their rate is 0. An elastic one
    runs every picture twice, dense and with tokens being skipped, and the second run learns from the labels
    and from the first.
    """

    name: str
    steps: int
    elastic: bool = True
    taught: bool = True  # by the recipe's teacher, if it has one, which takes a third of an elastic step
    represented: float = 0.0  # of the elastic steps: with rows that stand for several tokens
    head_rate: float = 1e-3
    encoder_rate: float = 5e-5
    layer_decay: float = 0.8
    selector_rate: float = 1e-3
    # The picture's embedding and so many layers stay as they are: they know pictures already.
    frozen: int = 0
    weight_decay: float = 0.02
    warmup: int = 60
    average: float = 0.998


@dataclass(frozen=True)
class Shrink:
    """The student's shape: each of its layers begins as one of the larger model and imitates what that has
    after another; `hidden` is how wide the MLPs stay."""

    layers: tuple[int, ...]
    imitates: tuple[int, ...]
    hidden: int


@dataclass(frozen=True)
class Recipe:
    """One released model.

    `start` is the model or encoder that training begins from when there is nothing to go on with.
    `teacher` is a larger model of the same width, whose features and depth a student learns beside labels:
    a model that was just cut down would otherwise stay long on the plateau where all depth is one.
    """

    name: str
    start: str
    stages: tuple[Stage, ...]
    shrink: Shrink | None = None
    teacher: str | None = None
    head_layers: tuple[int, ...] | None = None  # other than those that `start` has
    head: str = "tosa"  # or `dpt`, Depth Anything's: of the head that an encoder without one gets
    height: int = 252
    width: int = 336
    # (height, width) that every step draws one of, by lot and so more often what stands here more often:
    # then one set of weights serves all of them. None: the recipe's own.
    sizes: tuple[tuple[int, int], ...] = ()
    batch: int = 16
    seed: int = 0
    checkpoint_every: int = 50


_COUNT, _LAYER, _SIDE = integer(1, 10**7), integer(0, 255), integer(1, 1 << 16)
_RATE, _SHARE = number(0, 10), number(0, 1)
_STAGE = {
    "name": file_name,  # the folder of the stage's weights
    "steps": _COUNT,
    "elastic": boolean,
    "taught": boolean,
    "represented": _SHARE,
    "head_rate": _RATE,
    "encoder_rate": _RATE,
    "layer_decay": _SHARE,
    "selector_rate": _RATE,
    "frozen": integer(0, 256),
    "weight_decay": _RATE,
    "warmup": integer(0, 10**7),
    "average": _SHARE,
}
_SHRINK = {"layers": list_of(_LAYER, 256), "imitates": list_of(_LAYER, 256), "hidden": integer(1, 1 << 16)}
_RECIPE = {
    "name": text,
    "start": text,
    "stages": list_of(lambda raw: dataclass_from(Stage, raw, _STAGE)),
    "shrink": optional(lambda raw: dataclass_from(Shrink, raw, _SHRINK)),
    "teacher": optional(text),
    "head": one_of(HEADS),
    "head_layers": optional(list_of(_LAYER, 4)),
    "height": _SIDE,
    "width": _SIDE,
    "sizes": list_of(pair(_SIDE)),
    "batch": integer(1, 1 << 16),
    "seed": integer(0, 2**63 - 1),
    "checkpoint_every": _COUNT,
}


def read_recipe(name_or_path: str) -> Recipe:
    """A recipe file, or the name of one that comes with the project."""
    path = Path(name_or_path)
    if not path.suffix and not path.exists():
        path = FOLDER / f"{name_or_path}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in FOLDER.glob("*.toml")))
        raise TosaEdgeError(
            f"there is no recipe {name_or_path}", f"Give a TOML file, or one of the names {known}."
        )
    try:
        data = read_bytes(path)
        if len(data) > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES:,} bytes")
        return parse_recipe(tomllib.loads(data.decode()))
    except (OSError, ValueError, RecursionError) as error:
        message = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise TosaEdgeError(
            f"{path} is not a recipe: {message}", f"Compare it with {FOLDER / 'tosa_depth_s.toml'}."
        ) from error


def parse_recipe(raw: dict[str, Any]) -> Recipe:
    """The tables of a TOML file -> a recipe. An unknown key is an error: it would train something else."""
    recipe: Recipe = dataclass_from(Recipe, raw, _RECIPE)
    if not recipe.stages:
        raise ValueError("it needs at least one [[stages]] of at least one step")
    if len({stage.name for stage in recipe.stages}) < len(recipe.stages):
        raise ValueError("two stages have the same name")
    return recipe
