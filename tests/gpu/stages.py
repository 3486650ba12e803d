"""What is done, in this order, each in a process of its own: first what the others stand on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

BUDGET_S = 480


@dataclass(frozen=True)
class Stage:
    """`work` is MODULE:FUNCTION under tests.gpu, of the results and whether there is no GPU."""

    name: str
    limit_s: float
    work: str
    packed: bool = True  # needs what `make gpu-pack` makes

    def function(self) -> Callable[..., Any]:
        module, _, name = self.work.partition(":")
        return getattr(import_module(f"tests.gpu.{module}"), name)


STAGES = (
    Stage("versions", 30, "versions:run", packed=False),
    Stage("load", 30, "cubins:load"),
    Stage("cubins", 75, "cubins:right"),
    Stage("plugin", 40, "plugin:run"),
    Stage("runtime", 45, "runtime:run", packed=False),
    Stage("sanitizers", 75, "tools:sanitizers"),
    Stage("times", 90, "speed:times"),
    Stage("large", 60, "speed:large"),
    Stage("profile", 45, "tools:profile"),
    Stage("encoders", 120, "encoders:run", packed=False),
)
NAMES = tuple(stage.name for stage in STAGES)
