"""What the functions of all verbs take."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Union

from tosa_edge.errors import TosaEdgeError

StrPath = Union[str, "os.PathLike[str]"]


def ignore(*told: Any) -> None:
    """Who does not ask how it is going."""


def as_path(path: StrPath | None) -> Path | None:
    return None if path is None else Path(path)


def as_words(one_or_several: StrPath | int | Sequence[StrPath | int]) -> list[str]:
    """Specs of models or sources, given by one or in a list."""
    if isinstance(one_or_several, (str, int, os.PathLike)):
        return [str(one_or_several)]
    return [str(one) for one in one_or_several]


def check_between(option: str, value: float | None, least: float, most: float | None = None) -> None:
    """Raises for a number that the command line would not take; None stands for no number."""
    if value is None or (value >= least and (most is None or value <= most)):
        return
    wanted = f"{least:g} or more" if most is None else f"{least:g} to {most:g}"
    raise TosaEdgeError(f"{option} {value:g} is not possible", f"Give {wanted}.")
