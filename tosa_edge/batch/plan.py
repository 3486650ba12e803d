"""What there is to do, written down once as a list of shards, so that every start means the same by each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tosa_edge.atomic_files import atomic_path
from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import open_file, read_bytes
from tosa_edge.strict_json import read_object

PLAN, JOB, SHARDS = "plan", "job.json", "shards.jsonl"
DEPTHS = ("png16", "npz")
FORMS = ("parquet", "files")
_FORMAT = 1
_LONGEST = 1 << 24  # of a shard's line, in bytes: 4,096 names of 4 KB
# What makes two jobs different ones. Who does the work, and on what, does not.
_SAME = ("inputs", "model_sha256", "fit", "depth", "form", "shard", "column")


@dataclass(frozen=True)
class Job:
    """What does not change from shard to shard. All paths are absolute: workers may be anywhere.

    shard: pictures in each. column: of Parquet, what holds pictures; empty finds it. threads: of one worker;
    0 is one for each core, and with 1 a worker does everything in one thread.
    """

    inputs: tuple[str, ...]
    output: str
    model: str
    model_sha256: str
    fit: str = "letterbox"
    depth: str = "png16"
    form: str = "parquet"
    shard: int = 256
    column: str = ""
    provider: str = "auto"
    threads: int = 0

    def same(self, other: Job) -> str | None:
        """What differs so that the other's shards are none of this job; None where nothing does."""
        return next((name for name in _SAME if getattr(self, name) != getattr(other, name)), None)


@dataclass(frozen=True)
class Shard:
    """Pictures that are done together.

    kind: `pictures` are files: `names` below the folder `source`. Of a `video` or a `parquet` file, `source`,
    they are the frames or rows from `start` to `stop`, None being its end; `name` is what it is called.
    `count` is how many there are as far as is known: containers of videos round how long they are.
    """

    number: int
    kind: str
    source: str
    name: str = ""
    names: tuple[str, ...] = ()
    start: int = 0
    stop: int | None = None
    count: int | None = None

    @property
    def stem(self) -> str:
        return f"{self.number:08d}"


@dataclass(frozen=True)
class Plan:
    """`pictures` is None where nobody knows beforehand."""

    job: Job
    shards: int
    pictures: int | None


def write_plan(job: Job, shards: Iterable[Shard]) -> Plan:
    """Goes through `shards` once, however many there are."""
    count, pictures = 0, 0
    known = True
    with atomic_path(Path(job.output) / PLAN, folder=True) as folder:
        with open(folder / SHARDS, "w") as file:
            for shard in shards:
                file.write(json.dumps(asdict(shard), separators=(",", ":")) + "\n")
                count += 1
                pictures, known = pictures + (shard.count or 0), known and shard.count is not None
        plan = Plan(job, count, pictures if known else None)
        text = {"format": _FORMAT, **asdict(plan)}
        (folder / JOB).write_text(json.dumps(text, indent=2) + "\n")
    return plan


def read_plan(output: Path) -> Plan | None:
    """None where nothing was planned yet."""
    path = output / PLAN / JOB
    if not path.exists():
        return None
    try:
        raw = read_object(read_bytes(path))
        if raw.pop("format") != _FORMAT:
            raise ValueError("is of another version of tosa-edge")
        job = {f.name: raw["job"][f.name] for f in fields(Job)}
        return Plan(Job(**{**job, "inputs": tuple(job["inputs"])}), int(raw["shards"]), raw["pictures"])
    except (ValueError, KeyError, TypeError) as error:
        raise TosaEdgeError(f"{path} cannot be read: {error}", _ANEW) from None


def read_shards(output: Path) -> Iterator[Shard]:
    """One after the other: of ten million pictures the names alone are a gigabyte."""
    path = output / PLAN / SHARDS
    with open_file(path, limit=None) as file:
        for number, line in enumerate(file):
            try:
                raw: dict[str, Any] = read_object(line, _LONGEST)
                shard = Shard(**{**raw, "names": tuple(raw["names"])})
                if shard.number != number:
                    raise ValueError(f"shard {shard.number} stands in place {number}")
            except (ValueError, KeyError, TypeError) as error:
                raise TosaEdgeError(f"line {number + 1} of {path} cannot be read: {error}", _ANEW) from None
            yield shard


_ANEW = "Give another --output, or begin anew with --force."
