"""What every target takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Union

# By name below the package's folder; None is a folder that somebody else fills.
Files = Mapping[str, Union[str, bytes, None]]


@dataclass(frozen=True)
class Options:
    """most: pictures that the host puts together; 0 takes the graph's own batch as it is. instances: of
    the model side by side. delay_us: how long a request may wait for others. plugin: TensorRT's, for a plan
    in plugin form."""

    most: int = 8
    instances: int = 1
    delay_us: int = 2000
    plugin: Path | None = None
