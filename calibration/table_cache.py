"""Tables that were measured before, by what they were measured on: same graph, pictures and method."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import numpy as np

from tosa_edge.atomic_files import write_bytes
from tosa_edge.calibration.table import FORMAT, MOST_BYTES, Table, from_calibration_cache
from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import open_file
from tosa_edge.graph import LoadedGraph
from tosa_edge.machine import cache_folder


def folder() -> Path:
    return cache_folder() / "calibration"


def model_digest(graph: LoadedGraph) -> str:
    """Of the complete graph: other weights, another size or another keep give another."""
    return hashlib.sha256(graph.bytes()).hexdigest()


def data_digest(pictures: np.ndarray) -> str:
    """Of the pictures as the graph sees them, uint8 [n, H, W, 3], wherever they lie."""
    return hashlib.sha256(repr(pictures.shape).encode() + pictures.tobytes()).hexdigest()


def recall(model: str, data: str, method: str) -> Table | None:
    """The cached table, or None if it is missing, damaged or for other inputs."""
    try:
        table = Table.from_json(_read(_path(model, data, method)))
    except (OSError, ValueError):
        return None
    return table if (table.model, table.data, table.method) == (model, data, method) else None


def remember(table: Table) -> None:
    """For the next time; a home that cannot be written is no reason to fail."""
    with contextlib.suppress(TosaEdgeError, OSError):
        write_bytes(_path(table.model, table.data, table.method), table.to_json().encode())


def read_table(path: Path, graph: LoadedGraph, tensors: list[str]) -> Table:
    """A table that the user gives, ours or TensorRT's calibration cache, if it is one for this graph."""
    remedy = "Leave --table out, and give --data a folder of pictures to measure again."
    model = model_digest(graph)
    try:
        text = _read(path)
        table = (
            from_calibration_cache(text.decode("utf-8", "replace"), model)
            if text.startswith(b"TRT-")
            else Table.from_json(text)
        )
    except OSError as error:
        raise TosaEdgeError(f"{path} cannot be read: {error.strerror}", remedy) from error
    except ValueError as error:
        raise TosaEdgeError(f"{path} is not a calibration table: {error}", remedy) from error
    missing = sorted(set(tensors) - set(table.ranges))
    if table.model != model or missing:
        why = f": it has no range for {missing[0]!r}" if missing else ""
        raise TosaEdgeError(f"{path} was made for another model than {graph.label}{why}", remedy)
    return table


def _path(model: str, data: str, method: str) -> Path:
    key = hashlib.sha256(f"{FORMAT} {model} {data} {method}".encode()).hexdigest()
    return folder() / f"{key[:32]}.json"


def _read(path: Path) -> bytes:
    with open_file(path, limit=None) as file:
        return file.read(MOST_BYTES + 1)
