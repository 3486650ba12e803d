"""How a run is doing, on stderr: a table each second where people look, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Optional

from tosa_edge.console import console, counted, say
from tosa_edge.diagnosis.power import read_power

if TYPE_CHECKING:
    from rich.table import Table

    from tosa_edge.diagnosis.power import Power
    from tosa_edge.runtime.sinks import Result
    from tosa_edge.runtime.summary import Summary

_EACH, _EACH_IN_LOG = 1.0, 30.0

RecentMedian = Optional[Callable[[str], float]]  # a stage's median of late


class RunStatus:
    """Told of every result; shows the last second's state."""

    def __init__(self, label: str) -> None:
        from rich.live import Live

        self._label, self._shown = label, time.monotonic()
        self._live = (
            Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        )

    def __call__(self, result: Result, summary: Summary) -> None:
        now = time.monotonic()
        if now - self._shown < (_EACH if self._live else _EACH_IN_LOG):
            return
        self._shown = now
        text = line(result, summary, read_power())
        if self._live:
            self._live.start()
            shown = table(summary.stages, f"{self._label}: {text}", summary.times.lately)
            self._live.update(shown, refresh=True)
        else:
            say(text)

    def stop(self) -> None:
        if self._live:
            self._live.stop()


@contextmanager
def run_status(label: str) -> Iterator[RunStatus]:
    ticker = RunStatus(label)
    try:
        yield ticker
    finally:
        ticker.stop()


def line(result: Result, summary: Summary, power: Power | None = None) -> str:
    parts = [counted(summary.frames, "frame"), f"{result.fps:.1f}/s"]
    if "age" in summary.times.stages:
        parts.append(f"age {summary.times.lately('age'):.0f} ms")
    parts.append(f"{summary.dropped} dropped")
    if summary.reconnects:
        parts.append(f"{summary.reconnects} reconnects")
    if power is not None:  # of a Jetson; other machines offer none
        units = {"power_w": " W", "temp_c": " °C", "power_mode": ""}
        parts += [f"{value}{units[name]}" for name, value in power.as_dict().items()]
    return ", ".join(parts)


def table(
    stages: Mapping[str, Mapping[str, float]], title: str | None = None, lately: RecentMedian = None
) -> Table:
    """Each stage's percentiles; `age`, of live sources, is from a frame's arrival to its depth."""
    from rich import box
    from rich.table import Table

    rows = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for heading in ("stage", "p50 ms", "p90", "p99", *(["lately"] if lately else [])):
        rows.add_column(heading, justify="left" if heading == "stage" else "right", no_wrap=True)
    for stage, shares in stages.items():
        numbers = [shares[share] for share in ("p50", "p90", "p99")] + ([lately(stage)] if lately else [])
        rows.add_row(stage, *(f"{number:.1f}" for number in numbers))
    return rows
