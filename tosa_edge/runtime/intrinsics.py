"""A pinhole camera: from a file, or from its field of view."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import read_bytes
from tosa_edge.strict_json import read_object

# The camera of pictures of a size: a field of view is one's of any size, a file's of its own shape.
CameraAt = Callable[[int, int], "Intrinsics"]

_FORMS = '{"width", "height", "fx", "fy", "cx", "cy"}, or ROS\'s {"width", "height", "k": [9 numbers]}'
USUAL_FOV = 60.0


@dataclass(frozen=True)
class Intrinsics:
    """Focal lengths and principal point in pixels of a picture of this size."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    @classmethod
    def from_fov(cls, width: int, height: int, degrees: float = USUAL_FOV) -> Intrinsics:
        """Square pixels, the axis through the middle, so many degrees from the left edge to the right."""
        if not 1 <= degrees <= 170:
            raise TosaEdgeError(
                f"a field of view of {degrees:g} degrees is no pinhole camera's", "Give 1 to 170 degrees."
            )
        focal = width / 2 / math.tan(math.radians(degrees) / 2)
        return cls(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)

    def at(self, width: int, height: int) -> Intrinsics:
        """The same camera's picture in another size; pixel centres lie at whole numbers."""
        x, y = width / self.width, height / self.height
        if not math.isclose(x, y, rel_tol=0.02):
            raise TosaEdgeError(
                f"the intrinsics are of {self.width}x{self.height} pictures, these are {width}x{height}",
                "Give those of this camera mode: another shape is another crop of the sensor.",
            )
        cx, cy = (self.cx + 0.5) * x - 0.5, (self.cy + 0.5) * y - 0.5
        return Intrinsics(width, height, self.fx * x, self.fy * y, cx, cy)

    def points(self, depth: np.ndarray) -> np.ndarray:
        """Depth [H, W] along the axis -> [H, W, 3]: x right, y down, z forward."""
        rows, columns = np.indices(depth.shape, dtype=np.float32)
        return np.stack(
            ((columns - self.cx) / self.fx * depth, (rows - self.cy) / self.fy * depth, depth), -1
        )


def read_intrinsics(path: Path) -> Intrinsics:
    try:
        raw = read_object(read_bytes(path))
    except OSError as error:
        raise TosaEdgeError(f"{path} cannot be read: {error.strerror}", "Check its path.") from error
    except ValueError as error:
        raise TosaEdgeError(f"{path} is no JSON object: {error}", f"Write {_FORMS}.") from error
    try:
        camera = _parsed(raw)
    except KeyError as error:
        raise TosaEdgeError(f"{path} is no camera: it lacks {error.args[0]}", f"Write {_FORMS}.") from error
    except (TypeError, IndexError, ValueError, OverflowError) as error:
        raise TosaEdgeError(f"{path} is no camera: {error}", f"Write {_FORMS}.") from error
    numbers = (camera.fx, camera.fy, camera.cx, camera.cy)
    if not all(map(math.isfinite, numbers)) or min(camera.fx, camera.fy, camera.width, camera.height) <= 0:
        raise TosaEdgeError(f"{path}: sizes and focal lengths are positive numbers", f"Write {_FORMS}.")
    return camera


def _parsed(raw: dict[str, Any]) -> Intrinsics:
    matrix = raw.get("k", raw.get("K"))
    values = (
        (matrix[0], matrix[4], matrix[2], matrix[5]) if matrix else [raw[n] for n in ("fx", "fy", "cx", "cy")]
    )
    return Intrinsics(int(raw["width"]), int(raw["height"]), *map(float, values))
