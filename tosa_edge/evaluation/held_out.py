"""Frames that models are judged by, and that none may therefore learn from.

`held_out.txt` lists the SHA-256 of every evaluation picture's file. Whatever reads pictures to train, distil
or calibrate asks here first, so that a folder given by mistake is refused and not learned by heart.
"""

from __future__ import annotations

import functools
from pathlib import Path

from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import sha256_of

LIST = Path(__file__).with_name("held_out.txt")


@functools.cache
def digests() -> frozenset[str]:
    return frozenset(LIST.read_text().split())


def refuse_held_out(path: Path) -> None:
    """Raises for an evaluation picture; says nothing of any other, or of what cannot be read."""
    if path.is_file() and sha256_of(path) in digests():
        raise TosaEdgeError(
            f"{path} is an evaluation picture: a model that learned from it could no longer be judged by it",
            "Take it out of the folder, or learn from other pictures.",
        )
