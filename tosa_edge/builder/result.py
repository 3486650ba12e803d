"""What a build returns, and its progress callbacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tosa_edge.progress import OnStep


@dataclass(frozen=True)
class BuildResult:
    """`reused` when the engine was there already, of the same model and settings, and fit to load.

    checks: of the validation; where one failed, `departed` is the first layer that departs from float32, and
        `reproduce` the command that shows it.
    refused: pictures that calibration left out, because they could not be read whole.
    """

    engine: Path
    manifest: Path
    backend: str
    precision: str
    bytes: int
    seconds: float
    reused: bool
    validation: str
    notes: tuple[str, ...]
    checks: tuple[dict[str, Any], ...] = ()
    departed: str | None = None
    reproduce: str | None = None
    refused: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            **vars(self),
            "engine": str(self.engine),
            "manifest": str(self.manifest),
            "notes": list(self.notes),
            "checks": list(self.checks),
            "refused": list(self.refused),
        }


@dataclass(frozen=True)
class BuildProgress:
    """Callbacks: waiting for another build of the same engine, progress of a step, and messages of what is
    about to be made or replaced."""

    on_wait: Callable[[], None] = lambda: None
    on_step: OnStep = lambda what, done, total: None
    say: Callable[[str], None] = lambda text: None
