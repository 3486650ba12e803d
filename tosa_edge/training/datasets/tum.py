"""TUM RGB-D: `rgb.txt` and `depth.txt` list pictures by time; depth is uint16 of 1/5000 m, 0 none."""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import partial
from pathlib import Path

from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import inside, read_bytes
from tosa_edge.training.datasets.frame import Format, FoundFrames, folders, gather, read_pair

CLOSEST = 0.02  # seconds between two pictures of one moment; both cameras take thirty a second


_MOST_NEAR = 100  # no camera takes so many within 80 ms; a list that says so takes memory by the square


def _marks(folder: Path, names: list[str]) -> bool:
    return {"rgb.txt", "depth.txt"} <= set(names)


def _find(root: Path) -> FoundFrames:
    pairs, refused = [], []
    for folder in (folder for folder, names in folders(root) if _marks(folder, names)):
        pictures, depths = _read_list(folder / "rgb.txt"), _read_list(folder / "depth.txt")
        together = associate([time for time, _ in pictures], [time for time, _ in depths])
        pairs += [(pictures[i][1], depths[j][1]) for i, j in together]
        if alone := len(pictures) - len(together):
            refused.append(f"{folder.name}: {alone} pictures have no depth within {CLOSEST} s")
    found = gather(root, pairs, partial(read_pair, per_metre=5000))
    return FoundFrames(found.frames, refused + found.refused)


def associate(first: list[float], second: list[float]) -> list[tuple[int, int]]:
    """Pairs (i, j) of times less than CLOSEST apart, in order of i; each time is used at most once.

    The closest two are paired first, then the closest of those that are left; equals in their order.
    """
    order = sorted(range(len(second)), key=second.__getitem__)
    times = [second[j] for j in order]
    near = []
    for i, time in enumerate(first):
        # A window too wide leaves no candidate out by rounding; the gaps themselves decide below.
        window = slice(bisect_left(times, time - 2 * CLOSEST), bisect_left(times, time + 2 * CLOSEST))
        if len(order[window]) > _MOST_NEAR:
            raise TosaEdgeError(
                f"{len(order[window])} pictures are of one moment, {time:.6f}",
                "Copy or download the lists again.",
            )
        near += [(abs(second[j] - time), i, j) for j in order[window]]
    pairs, used = dict[int, int](), set[int]()
    for gap, i, j in sorted(near):
        if gap < CLOSEST and i not in pairs and j not in used:
            pairs[i] = j
            used.add(j)
    return sorted(pairs.items())


def _read_list(path: Path) -> list[tuple[float, Path]]:
    """Lines of `timestamp filename`; # begins a comment."""
    entries = []
    text = read_bytes(path).decode(errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        time, _, name = line.strip().partition(" ")
        try:
            if not re.fullmatch(r"\d{1,15}(\.\d{1,15})?", time, re.ASCII) or not name:
                raise ValueError("it is not a time and a file name")
            entries.append((float(time), inside(path.parent, name.strip())))
        except ValueError as error:
            raise TosaEdgeError(f"line {number} of {path}: {error}", "Copy or download it again.") from None
    return entries


TUM = Format("TUM RGB-D (rgb.txt and depth.txt)", _marks, _find)
