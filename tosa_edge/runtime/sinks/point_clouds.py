"""One `.ply` for each frame: coloured points in metres, or without a unit where depth is relative."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tosa_edge.info import GraphInfo
from tosa_edge.pictures.colour import ColourScale
from tosa_edge.runtime.intrinsics import CameraAt, Intrinsics
from tosa_edge.runtime.relative import drawn_distances
from tosa_edge.runtime.sinks import Result
from tosa_edge.runtime.sinks.files import FilesSink, write_file


class PointCloudsSink(FilesSink):
    """A folder of point clouds, in the camera's axes: x right, y down, z forward.

    Args:
        camera: without one, a usual field of view is taken.
    """

    what = "point clouds"
    names = r".+\.ply"

    def __init__(self, folder: Path, info: GraphInfo, camera: CameraAt = Intrinsics.from_fov) -> None:
        super().__init__(folder)
        self._camera = camera
        self._scale = None if info.output == "metric_depth" else ColourScale(info.output)

    def save(self, stem: str, result: Result) -> None:
        picture, depth = result.frame.picture, result.prediction.depth
        height, width = depth.shape
        if self._scale:
            self._scale.update(depth)
            depth = drawn_distances(depth, *(self._scale.ends() or (1.0, 0.0)))
        points = self._camera(width, height).points(depth)
        write_file(f"{stem}.ply", ply(points, picture))


def ply(points: np.ndarray, colours: np.ndarray) -> bytes:
    """points [H, W, 3], RGB uint8 [H, W, 3] -> a binary PLY of the points that are finite."""
    there = np.isfinite(points).all(-1)
    kind = [("xyz", "<f4", 3), ("rgb", "u1", 3)]
    vertices = np.empty(int(there.sum()), dtype=kind)
    vertices["xyz"], vertices["rgb"] = points[there], colours[there]
    properties = [f"property float {axis}" for axis in "xyz"]
    properties += [f"property uchar {channel}" for channel in ("red", "green", "blue")]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}", *properties]
    return "\n".join((*header, "end_header\n")).encode() + vertices.tobytes()
