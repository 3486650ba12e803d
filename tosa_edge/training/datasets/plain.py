"""Anybody's pictures with depth in millimetres, in the two layouts of `tosa-edge evaluate --data`."""

from __future__ import annotations

from pathlib import Path

from tosa_edge.evaluation.depth_data import find_pairs
from tosa_edge.training.datasets.frame import Format, FoundFrames, gather, read_pair


def _marks(folder: Path, names: list[str]) -> bool:
    if (folder / "rgb").is_dir() and (folder / "depth").is_dir():
        return True
    depths = {Path(name).stem for name in names if name.endswith(".png")}
    return any(Path(name).stem in depths for name in names if name.lower().endswith((".jpg", ".jpeg")))


def _find(root: Path) -> FoundFrames:
    return gather(root, find_pairs(root), read_pair)


PLAIN = Format("a plain folder (NAME.jpg with NAME.png in millimetres, or rgb/ with depth/)", _marks, _find)
