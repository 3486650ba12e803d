"""What a training run was made of, beside its weights: for the model card, and against mixing two runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import sha256_of
from tosa_edge.pending import write_bytes
from tosa_edge.training.recipe import Recipe

RECORD = "record.json"


def keep_record(out: Path, recipe: Recipe, start: Path, data: Path, frames: int, refused: list[str]) -> None:
    """Writes the record of a new run; a folder that holds a run of another recipe or start is refused."""
    now: dict[str, Any] = json.loads(
        json.dumps({"recipe": asdict(recipe), "start": {"file": start.name, "sha256": digest(start)}})
    )
    path = out / RECORD
    if path.exists():
        before = json.loads(path.read_text())
        differing = [key for key, value in now.items() if before.get(key) != value]
        if differing:
            raise TosaEdgeError(
                f"{out} holds a run with another {' and another '.join(differing)}",
                "Give another folder with -o, or delete that one.",
            )
    out.mkdir(parents=True, exist_ok=True)
    now["data"] = {"folder": data.name, "frames": frames, "refused": refused}
    write_bytes(path, json.dumps(now, indent=1).encode())


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return sha256_of(path)
