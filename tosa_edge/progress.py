"""Progress on stderr: how far, how fast, how long still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from tosa_edge.console import console
from tosa_edge.errors import printable

OnStep = Callable[[str, int, int], None]  # what is done, how many steps of it, of how many

# What the steps of each kind are counted in; others are steps.
UNITS = {
    "reading pictures": "files",
    "measuring ranges": "pictures",
    "trying groups": "groups",
    "comparing with float32": "runs",
    "comparing with dense": "ways",
    "tracing": "graphs",
    "tracing the model": "graphs",
    "timing": "rounds",
    "building": "%",
    "validating": "runs",
    "finding the layer": "runs",
    "evaluating": "frames",
    "along the clip": "frames",
}


_NUMBERS = 46  # columns that a bar and its numbers want, which say more than a long name


class _Rate(TextColumn):
    def __init__(self, unit: str) -> None:
        super().__init__("")
        self._unit = unit

    def render(self, task: Task):  # type: ignore[no-untyped-def]
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} {self._unit}/s" if speed else "")


@contextmanager
def progress(what: str, total: int | None, unit: str = "frames") -> Iterator[Callable[[int], None]]:
    """Gives a function to call after each step with its index."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(unit),
        TimeRemainingColumn(),
    )
    bars = Progress(*columns, console=console)
    bar = bars.add_task(_shortened(printable(what), console.width - _NUMBERS), total=total)

    def step(index: int) -> None:
        # Started late: what fails before the first step shows its error and no idle bar.
        bars.start()
        bars.update(bar, completed=index + 1)

    try:
        yield step
    finally:
        bars.stop()


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(width, 8) - 1]}…"


@contextmanager
def bars(waiting: str | None = None) -> Iterator[OnStep]:
    """One bar after another, one for each kind of step; with words, a spinner until the first is told."""
    with ExitStack() as stack:
        if waiting is not None:
            stack.enter_context(console.status(waiting))
        begun: dict[str, Callable[[int], None]] = {}

        def step(kind: str, done: int, total: int) -> None:
            if kind not in begun:
                stack.close()
                begun[kind] = stack.enter_context(progress(kind, total, UNITS.get(kind, "steps")))
            begun[kind](done - 1)

        yield step
