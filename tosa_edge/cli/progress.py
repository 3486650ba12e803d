"""Progress on stderr: how far, how fast, how long still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn

from tosa_edge.cli.common import console


class _Rate(TextColumn):
    def __init__(self, unit: str) -> None:
        super().__init__("")
        self._unit = unit

    def render(self, task: Task):  # type: ignore[no-untyped-def]
        from rich.text import Text

        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} {self._unit}/s" if speed else "")


@contextmanager
def progress(what: str, total: int | None, unit: str = "frames") -> Iterator[Callable[[int], None]]:
    """Gives a function to call after each step with its index."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(unit),
        TimeRemainingColumn(),
    )
    bars = Progress(*columns, console=console)
    bar = bars.add_task(what, total=total)

    def step(index: int) -> None:
        # Started late: what fails before the first step shows its error and no idle bar.
        bars.start()
        bars.update(bar, completed=index + 1)

    try:
        yield step
    finally:
        bars.stop()
