"""A job from its plan to its summary: shares out what is not done, and adds up what is."""

from __future__ import annotations

import csv
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from tosa_edge.atomic_files import atomic_path, remove, write_bytes
from tosa_edge.batch.crews import Crew, Lost, done_by
from tosa_edge.batch.inputs import shards_of
from tosa_edge.batch.plan import PLAN, Job, Plan, Shard, read_plan, read_shards, write_plan
from tosa_edge.batch.work import REPORTS, RESULTS, report_path
from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import read_bytes
from tosa_edge.output_paths import SUMMARY, refuse_overwrites
from tosa_edge.strict_json import read_object

FAILURES = "failures.csv"
_OURS = (SUMMARY, FAILURES, PLAN, RESULTS, REPORTS)
_COLUMNS = ("name", "source", "index", "reason")
_MOST = 1 << 26  # of a report, in bytes: each of many pictures may have failed


def prepared(job: Job, force: bool = False) -> tuple[Plan, bool]:
    """The plan that a folder has, or a new one, and whether it was there before. `force` begins anew."""
    out = Path(job.output)
    former = read_plan(out)
    if former is not None and not force:
        if other := former.job.same(job):
            raise TosaEdgeError(
                f"{out} holds another job: its {other} is {_short(getattr(former.job, other))}, and now "
                f"{_short(getattr(job, other))}",
                "Give another --output, or replace what is there with --force.",
            )
        return former, True
    inputs = [Path(name) for name in job.inputs if os.path.exists(name)]
    refuse_overwrites([out], inputs, flag="--output", force=force, former=_is_ours)
    for name in (PLAN, *_OURS):  # the plan first: without it nothing there is a result
        remove(out / name)
    return write_plan(job, shards_of(job.inputs, job.shard, job.column)), False


def _is_ours(folder: Path) -> bool:
    """Nothing is in it but what a job leaves, be it half a plan."""
    return folder.is_dir() and all(
        p.name in _OURS or p.name.startswith(f".{PLAN}.") for p in folder.iterdir()
    )


def _short(value: object) -> str:
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    return f"{text[:60]}..." if len(text) > 63 else text or "not given"


@dataclass
class Tally:
    """done, failed: pictures, of the shards that are whole. before: how many of them were there at the start.
    lost: shards that no worker survived, with the last reason."""

    done: int = 0
    failed: int = 0
    shards: int = 0
    before: int = 0
    shards_before: int = 0
    seconds: float = 0.0
    stopped: bool = False
    lost: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Pictures a second, of this start."""
        return (self.done + self.failed - self.before) / self.seconds if self.seconds else 0.0


def work_off(plan: Plan, crew_of: Callable[[], Crew], stop: Event, on_step: Callable[[Tally], None]) -> Tally:
    """Has a crew do what is not done yet. `on_step` is told after each shard."""
    tally, finished = Tally(), set()
    for shard, report in finished_shards(plan.job):
        finished.add(shard)
        tally.done, tally.failed = tally.done + report["done"], tally.failed + len(report["failed"])
    tally.shards = tally.shards_before = len(finished)
    tally.before = tally.done + tally.failed
    if tally.shards < plan.shards:
        _share_out(tally, crew_of, _left(plan, finished, stop), on_step)
    if tally.shards == plan.shards:
        _remove_half_written(plan.job)
    tally.stopped = stop.is_set() and tally.shards + len(tally.lost) < plan.shards
    return tally


def _share_out(
    tally: Tally, crew_of: Callable[[], Crew], shards: Iterator[Shard], on_step: Callable[[Tally], None]
) -> None:
    began = time.monotonic()
    crew = crew_of()
    try:
        for told in done_by(crew, shards):
            tally.seconds = time.monotonic() - began
            if isinstance(told, Lost):
                tally.lost.append(f"shard {told.number}: {told.reason}")
            elif told is not None:
                tally.done, tally.failed = tally.done + told.done, tally.failed + told.failed
                tally.shards += 1
                on_step(tally)
    finally:
        crew.close()


def _remove_half_written(job: Job) -> None:
    """Whoever does a shard again clears away what a dead worker left of it, but not what one left that still
    seems alive: its process is waited for by nobody, or its machine was only taken for lost."""
    for name in (RESULTS, REPORTS):
        for part in (Path(job.output) / name).glob(".*.part-*"):
            remove(part)


def _left(plan: Plan, finished: set[int], stop: Event) -> Iterator[Shard]:
    for shard in read_shards(Path(plan.job.output)):
        if stop.is_set():
            return
        if shard.number not in finished:
            yield shard


def finished_shards(job: Job) -> Iterator[tuple[int, dict[str, Any]]]:
    """By number, with their reports, in order: those whose result has its name."""
    folder = Path(job.output) / RESULTS
    numbers = []
    if folder.is_dir():
        suffix = "" if job.form == "files" else r"\.parquet"
        found = (re.fullmatch(rf"(\d{{8}}){suffix}", name) for name in os.listdir(folder))
        numbers = sorted(int(match[1]) for match in found if match)
    for number in numbers:
        report = report_path(job, Shard(number, "", ""))
        try:
            read = read_object(read_bytes(report), _MOST)
        except FileNotFoundError:
            continue  # somebody took it away: the shard is done again
        except ValueError as error:
            raise TosaEdgeError(f"{report} cannot be read: {error}", f"Remove it: {report}") from None
        yield number, read


def summarise(plan: Plan, tally: Tally) -> dict[str, Any]:
    """Writes `failures.csv`, where any failed, and `summary.json`, which it gives: `--json` prints it."""
    out = Path(plan.job.output)
    with atomic_path(out / FAILURES) as part, open(part, "w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
        rows.writeheader()
        for _, report in finished_shards(plan.job):
            rows.writerows(report["failed"])
    if not tally.failed:
        remove(out / FAILURES)
    summary = {
        "done": tally.done,
        "failed": tally.failed,
        "shards": plan.shards,
        "shards_done": tally.shards,
        "shards_before": tally.shards_before,
        "lost": tally.lost,
        "stopped": tally.stopped,
        "seconds": round(tally.seconds, 2),
        "pictures_per_s": round(tally.rate, 2),
        "output": str(out / RESULTS),
        "failures": str(out / FAILURES) if tally.failed else None,
        "model": plan.job.model,
        "depth": plan.job.depth,
        "as": plan.job.form,
    }
    write_bytes(out / SUMMARY, (json.dumps(summary, indent=2) + "\n").encode())
    return summary
