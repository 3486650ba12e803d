"""Pictures and videos on disk, whole and damaged."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tests import tiny


def write_picture(path: Path, height: int = 60, width: int = 90, seed: int = 0) -> Path:
    cv2.imwrite(str(path), tiny.picture(height, width, seed)[..., ::-1])
    return path


def write_video(path: Path, frames: int = 30, height: int = 48, width: int = 64, codec: str = "VP80") -> Path:
    """Frame i has the mean brightness 20 + 6 i, so that a frame can be told by its look."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 10, (width, height))
    texture = np.random.default_rng(0).integers(-15, 16, (height, width, 3))
    for i in range(frames):
        writer.write(np.clip(20 + 6 * i + texture, 0, 255).astype(np.uint8))
    writer.release()
    return path


def cut(path: Path, share: float = 0.6) -> Path:
    """The beginning of a file, as an interrupted copy leaves it."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def zeroed(path: Path, share: float = 0.5) -> Path:
    """The right length, but nothing in the rest of it, as a broken download leaves it."""
    data = path.read_bytes()
    start = int(len(data) * share)
    path.write_bytes(data[:start] + bytes(len(data) - start))
    return path


def left_behind(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*"))
