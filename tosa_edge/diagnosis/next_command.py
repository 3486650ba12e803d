"""What to type next, on this very machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tosa_edge.engine.gpu import find_gpu

ROOT = Path("/")


def next_command(root: Path = ROOT, gpu: Callable[[], object | None] = find_gpu) -> tuple[str, str]:
    """The one command that fits, and what it gives."""
    if gpu() is not None:
        return "tosa-edge build --precision fp16", "an engine for this GPU, and what to do with it"
    if any((root / "dev").glob("video*")):
        return "tosa-edge run 0 --serve", "this machine's camera, and a live page"
    return "tosa-edge run YOUR_VIDEO", "your own video, picture or folder of pictures"
