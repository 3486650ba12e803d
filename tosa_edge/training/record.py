"""What a training run was made of, beside its weights: for the model card, and against mixing two runs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tosa_edge.atomic_files import write_bytes
from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import read_bytes, sha256_of
from tosa_edge.training.recipe import Recipe

RECORD = "record.json"
_LATER = {"data set"}  # what records did not hold in the beginning


def keep_record(
    out: Path, recipe: Recipe, start: Path, data: Path, frames: int, refused: list[str], done: bool = False
) -> None:
    """Writes the record of a run that is new or `done`; a folder that holds a run of another recipe, start or
    data is refused.

    Data are known by the names and sizes of their files: to read them all would take too long.
    """
    made_of = {"recipe": asdict(recipe), "start": _start(start), "data set": _listing(data)}
    _keep(out, made_of, {"data": {"folder": data.name, "frames": frames, "refused": refused}}, done)


def keep_distillation(out: Path, settings: Any, start: Path, pictures: Any) -> None:
    """The same for a run without labels: its settings, a dataclass, and the array that it learns from."""
    seen = hashlib.sha256(repr(pictures.shape).encode() + pictures.tobytes()).hexdigest()
    images = {"count": len(pictures), "sha256": seen}
    _keep(out, {"settings": asdict(settings), "start": _start(start), "pictures": images}, {})


def _keep(out: Path, made_of: dict[str, Any], more: dict[str, Any], done: bool = False) -> None:
    made_of = json.loads(json.dumps(made_of))  # as it is when it is read again: lists for tuples
    path = out / RECORD
    if path.exists():
        before = _read(path)
        differing = [
            key
            for key, value in made_of.items()
            if before.get(key, value if key in _LATER else None) != value
        ]
        if differing:
            raise TosaEdgeError(
                f"{out} holds a run that differs in its {' and its '.join(differing)}",
                "Give another folder with -o, or delete that one.",
            )
        if not done:
            return
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(path, json.dumps({**made_of, **more}, indent=1).encode())


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_bytes(path))
        if not isinstance(found, dict):
            raise ValueError("it is not an object")
    except (OSError, ValueError, RecursionError) as error:
        raise TosaEdgeError(
            f"{path} cannot be read, so nothing tells what the run in its folder was: {error}",
            "Give another folder with -o, or delete that one.",
        ) from error
    return found


def _start(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": sha256_of(path)}


def _listing(data: Path) -> str:
    """The same wherever the folder lies."""
    files = [data] if data.is_file() else sorted(path for path in data.rglob("*") if path.is_file())
    found = [
        (path.name if path == data else str(path.relative_to(data)), path.stat().st_size) for path in files
    ]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()
