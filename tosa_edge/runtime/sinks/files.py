"""A folder of files, some for each frame, replaced as a whole."""

from __future__ import annotations

import csv
import os
import re
import struct
import zlib
from pathlib import Path

import numpy as np

from tosa_edge.atomic_files import AtomicFile, write_error
from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import leads_out
from tosa_edge.graph_info import GraphInfo
from tosa_edge.pictures.colour import ColourScale
from tosa_edge.pictures.opencv import opencv
from tosa_edge.runtime.drawn_distances import drawn_distances
from tosa_edge.runtime.intrinsics import CameraAt, Intrinsics
from tosa_edge.runtime.sinks import Result, Sink


class FilesSink(Sink):
    """What the sinks that write a folder have in common; each says how it saves one result.

    what, names: what it writes, in words and as a pattern. A folder that holds anything else is somebody's
    and is not replaced.
    """

    what: str
    names: str

    def __init__(self, folder: Path) -> None:
        self.refuse_others(folder)
        self._pending = AtomicFile(folder, folder=True)

    @classmethod
    def refuse_others(cls, folder: Path) -> None:
        """Raises where anything of somebody else's is in the way."""
        if folder.exists() and (not folder.is_dir() or any(map(cls._foreign, folder.rglob("*")))):
            raise TosaEdgeError(
                f"{folder} holds other things than {cls.what}; it would be replaced", "Choose another --out."
            )

    def save(self, stem: str, result: Result) -> None:
        """Writes the files of one result, their paths beginning with `stem`. Raises OSError.

        No `Path`: it keeps the parts of every path in Python's table of names, which CPython 3.12 never takes
        them out of, and others only when they build it anew. A run has millions of them.
        """
        raise NotImplementedError

    def write(self, result: Result) -> None:
        name = result.frame.name
        if leads_out(name):
            raise TosaEdgeError(
                f"a frame is named {name[:60]!a}, which is not in {self._pending.final}", "Name it otherwise."
            )
        folder, _, _ = name.rpartition("/")
        try:
            if folder:  # of pictures in folders of a folder
                os.makedirs(f"{self._pending.path}/{folder}", exist_ok=True)
            self.save(f"{self._pending.path}/{name}", result)
        except OSError as error:
            raise write_error(self._pending.final / name, error) from error

    def seal(self) -> None:
        """`save` has already raised if anything was wrong."""

    def commit(self) -> Path:
        return self._pending.commit()

    def abort(self) -> None:
        self._pending.abort()

    @classmethod
    def _foreign(cls, path: Path) -> bool:
        return not path.is_dir() and re.fullmatch(cls.names, path.name) is None


def write_file(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


class DepthMapsSink(FilesSink):
    """A folder of depth maps."""

    what = "depth maps"
    names = r".+\.npy"

    def save(self, stem: str, result: Result) -> None:
        np.save(f"{stem}.npy", result.prediction.depth)


_MOST = 65535
RANGES = "ranges.csv"
# How a program reads NAME.depth.png back; also in each file, as PNG text under `depth`.
METRIC = "depth in metres = value / 1000; 0 is no reading"
RELATIVE = "depth without a unit, larger is nearer = least + value / 65535 * (most - least)"


class FolderSink(FilesSink):
    """`NAME.depth.png`, `NAME.colour.png` and `NAME.panel.png`.

    Metric depth is in millimetres, 0 where there is none or it is beyond 65.535 m. Relative depth has no
    unit: each frame's own range fills the 16 bits, and `ranges.csv` has its ends, so that nothing is lost
    but rounding: depth = least + png / 65535 * (most - least).
    """

    what = "PNGs of an earlier run"
    names = r".+\.(depth|colour|panel)\.png|ranges\.csv"

    def __init__(self, folder: Path, info: GraphInfo) -> None:
        super().__init__(folder)
        self._metric = info.output == "metric_depth"
        self._ranges = self._pending.path / RANGES
        if not self._metric:
            self._note("file", "least", "most")

    def save(self, stem: str, result: Result) -> None:
        png, least, most = depth_png(result.prediction.depth, self._metric)
        if not self._metric:
            self._note(f"{stem.removeprefix(f'{self._pending.path}/')}.depth.png", repr(least), repr(most))
        write_file(f"{stem}.depth.png", png)
        write_file(f"{stem}.panel.png", _png(_bgr(result.panel)))
        write_file(f"{stem}.colour.png", _png(_bgr(result.painter.coloured(result.prediction))))

    def _note(self, *line: str) -> None:
        # A file's name is any bytes: what is no UTF-8 is written as it was.
        with open(self._ranges, "a", newline="", encoding="utf-8", errors="surrogateescape") as file:
            csv.writer(file, lineterminator="\n").writerow(line)


def depth_png(depth: np.ndarray, metric: bool) -> tuple[bytes, float, float]:
    """A PNG of 16 bits with a line that says how to read it, and the ends of what is finite in `depth`."""
    if metric:
        finite = depth[np.isfinite(depth)]
        least, most = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        return with_text(_png(millimetres(depth)), "depth", METRIC), least, most
    levels, least, most = stretched(depth)
    return with_text(_png(levels), "depth", f"{RELATIVE}; least {least!r}, most {most!r}"), least, most


def millimetres(metres: np.ndarray) -> np.ndarray:
    """float32 metres -> uint16 millimetres."""
    rounded = np.round(np.nan_to_num(metres, nan=0, posinf=0, neginf=0).astype(np.float64) * 1000)
    return np.where((rounded > 0) & (rounded <= _MOST), rounded, 0).astype(np.uint16)


def stretched(depth: np.ndarray) -> tuple[np.ndarray, float, float]:
    """float32 without a unit -> uint16 from 0 to 65535, and what those two stand for."""
    finite = np.where(np.isfinite(depth), depth, 0)
    least, most = float(finite.min()), float(finite.max())
    share = (finite - least) / max(most - least, 1e-12)
    return np.round(share * _MOST).astype(np.uint16), least, most


def with_text(png: bytes, key: str, text: str) -> bytes:
    """A PNG with a line of text in it, before its pictures' data, where every reader looks."""
    body = b"tEXt" + key.encode("latin-1") + b"\0" + text.encode("latin-1")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    head = 8 + 25  # the signature, and IHDR, which is always first and of one size
    return png[:head] + chunk + png[head:]


def _bgr(picture: np.ndarray) -> np.ndarray:
    return opencv().cvtColor(picture, opencv().COLOR_RGB2BGR)


def _png(picture: np.ndarray) -> bytes:
    return opencv().imencode(".png", picture)[1].tobytes()


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
