"""Results as they come: one JSON line each, on the disk before the next begins; and the table of them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]
WIDTH = 80
MOST_FAILURES = 12


class Results:
    """What one stage finds. `passed` is None where nothing is judged: a figure, or what is not here."""

    def __init__(self, path: Path, stage: str) -> None:
        self.path, self.stage = path, stage
        self.failed = 0

    def add(self, name: str, passed: bool | None, **values: Any) -> None:
        self.failed += passed is False
        append(self.path, {"stage": self.stage, "name": name, "passed": passed, **values})

    def attempt(self, name: str, work: Callable[[], Row]) -> bool | None:
        """A row of what `work` finds (`passed` among it, else it has passed); what fails is a row too."""
        began = time.perf_counter()
        try:
            found = {"passed": True, **work()}
        except Exception as failure:
            found = {"passed": False, "failed": f"{type(failure).__name__}: {failure}"[:600]}
        passed = found.pop("passed")
        self.add(name, passed, **found, took_s=round(time.perf_counter() - began, 3))
        return passed


def append(path: Path, row: Row) -> None:
    # One write to a file opened for appending: whole lines, also from several processes.
    with path.open("ab+") as file:
        file.seek(max(file.tell() - 1, 0))
        cut_short = file.read(1) not in (
            b"",
            b"\n",
        )  # by a machine that was lost; the next run goes on behind it
        file.write(("\n" * cut_short + json.dumps(row, default=str) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


def rows(path: Path) -> list[Row]:
    """All that is there, but for a last line that a lost machine cut short."""
    found = []
    for line in path.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def table(found: list[Row]) -> str:
    """A line a stage, then the first failures."""
    lines = [f"{'stage':<12}{'ended':<12}{'s':>6}{'passed':>8}{'failed':>8}{'noted':>7}"]
    for end in (row for row in found if "ended" in row):
        ours = [row["passed"] for row in found if row["stage"] == end["stage"] and "ended" not in row]
        counts = ours.count(True), ours.count(False), ours.count(None)
        lines.append(
            f"{end['stage']:<12}{end['ended']:<12}{end['took_s']:>6.0f}"
            f"{counts[0]:>8}{counts[1]:>8}{counts[2]:>7}"
        )
    failures = [row for row in found if row["passed"] is False]
    for row in failures[:MOST_FAILURES]:
        why = (
            row.get("failed")
            or row.get("said")
            or ", ".join(f"{k} {v}" for k, v in row.items() if k not in _PLAIN)
        )
        lines.append(f"FAILED {row['stage']}, {row['name']}: {' '.join(str(why).split())}")
    if len(failures) > MOST_FAILURES:
        lines.append(f"and {len(failures) - MOST_FAILURES} more failures")
    return "\n".join(line[:WIDTH] for line in lines)


_PLAIN = ("stage", "name", "passed", "took_s")
