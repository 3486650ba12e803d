"""What `demo` and `run` show: how it is going, and a summary."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.cli.common import say_refused
from tosa_edge.console import console, counted, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from tosa_edge.runtime.sinks import Result
    from tosa_edge.runtime.summary import Summary


class RunDisplay(ExitStack):
    """A bar where the end is known, a table where it is not. `begin` and `step` are for `run_sources`."""

    def begin(self, label: str, frames: int | None) -> None:
        from tosa_edge.cli.stage_table import run_status
        from tosa_edge.progress import progress

        if frames is None:
            self._show: Callable[[Result, Summary], None] = self.enter_context(run_status(label))
        else:
            advance = self.enter_context(progress(label, frames))
            self._show = lambda result, summary: advance(summary.frames - 1)

    def step(self, result: Result, summary: Summary) -> None:
        self._show(result, summary)


def say_result(result: dict[str, Any]) -> None:
    """The summary for people."""
    from tosa_edge.cli.stage_table import table

    counts = ("dropped", "unwritten", "reconnects", "without_depth")
    lost = ", ".join(f"{result[n]} {n.replace('_', ' ')}" for n in counts if result[n])
    frames = counted(result["frames"], "frame")
    say(
        f"{frames} of {result['source']} with {result['model']} at {result['size']}: "
        f"{result['fps']:.1f} frames/s" + (f", {lost}" if lost else "")
    )
    console.print(table(result["stages"]))
    say(f"loaded in {result['load_ms']:.0f} ms, first run {result['warm_up_ms']:.0f} ms")
    if "metric" in result:
        say(result["metric"]["note"])
    for path in result["outputs"]:
        say(f"  {_listed(Path(path))}")
    say_refused(result["refused"])


def _listed(path: Path) -> str:
    """A folder with what is in it, so that nobody has to look for the depth."""
    if not path.is_dir():
        return str(path)
    files = sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())
    named = ", ".join(files[:4]) + (f", ... {len(files)} files" if len(files) > 4 else "")
    return f"{path}/: {named}"
