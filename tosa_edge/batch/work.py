"""One shard, from its pictures to a file that has its name only when it is whole."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tosa_edge.atomic_files import AtomicFile, write_bytes, write_error
from tosa_edge.batch.depth import FilesTable, Row, encoded, how_to_read, text
from tosa_edge.batch.model import BatchModel
from tosa_edge.batch.parquet import ParquetTable
from tosa_edge.batch.plan import Job, Shard
from tosa_edge.batch.reading import Item, Reader
from tosa_edge.pictures.opencv import opencv

RESULTS, REPORTS = "shards", "reports"
_SIDE_BY_SIDE = 2  # pictures being decoded, and depths being encoded, while the model runs

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Outcome:
    """A shard that is done."""

    number: int
    done: int
    failed: int


def result_path(job: Job, shard: Shard) -> Path:
    suffix = ".parquet" if job.form == "parquet" else ""
    return Path(job.output) / RESULTS / f"{shard.stem}{suffix}"


def report_path(job: Job, shard: Shard) -> Path:
    return Path(job.output) / REPORTS / f"{shard.stem}.json"


class Worker:
    """Loads the engine once, and does shards one after the other."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.model = BatchModel(job.model, job.fit, job.threads, job.provider)
        self._reader = Reader(job.column)
        self._one = self._several = None
        if job.threads == 1:
            opencv().setNumThreads(1)
        else:
            self._one = ThreadPoolExecutor(1, "tosa-edge reading")
            self._several = ThreadPoolExecutor(2 * _SIDE_BY_SIDE, "tosa-edge pictures")

    def do(self, shard: Shard) -> Outcome:
        """Writes the report first: a shard with its name always has one."""
        done, failed = 0, []
        result = AtomicFile(result_path(self._job, shard), folder=self._job.form == "files")
        try:
            table = self._table(result.path)
            try:
                for row in self._rows(shard):
                    if isinstance(row, Row):
                        table.add(row)
                        done += 1
                    else:
                        failed.append(
                            {"name": text(row.name), "source": text(row.source), "index": row.index}
                            | {"reason": row.reason}
                        )
            finally:
                table.close()
            report = {"shard": shard.number, "done": done, "failed": failed}
            write_bytes(report_path(self._job, shard), json.dumps(report).encode())
        except OSError as error:
            result.abort()
            raise write_error(result.final, error) from error
        except BaseException:
            result.abort()
            raise
        result.commit()
        return Outcome(shard.number, done, len(failed))

    def close(self) -> None:
        for pool in (self._one, self._several):
            if pool is not None:
                pool.shutdown(cancel_futures=True)
        self._reader.close()
        self.model.close()

    def _table(self, path: Path) -> Any:
        if self._job.form == "files":
            return FilesTable(path, self._job.depth)
        info = self.model.info
        facts = {
            "model": info.name,
            "label": self.model.label,
            "sha256": self._job.model_sha256,
            "output": info.output,
            "size": [info.height, info.width],
            "fit": self._job.fit,
            "depth": self._job.depth,
            "read": how_to_read(self._job.depth, info),
        }
        return ParquetTable(path, facts)

    def _rows(self, shard: Shard) -> Iterator[Row | Item]:
        """In the order of the shard; an Item is one that has failed."""
        pool = self._several if shard.kind == "pictures" else self._one
        loads = self._reader.loads(shard)
        items = ahead(pool, lambda load: load(), loads, _SIDE_BY_SIDE + self.model.size)
        return ahead(self._several, self._encoded, self._predicted(items), _SIDE_BY_SIDE)

    def _predicted(self, items: Iterable[Item | None]) -> Iterator[tuple[Item, np.ndarray | None]]:
        """Full batches, for as long as there are pictures: those that failed take no place in them."""
        waiting: list[Item] = []
        for item in items:
            if item is None:
                break
            waiting.append(item)
            if sum(one.picture is not None for one in waiting) == self.model.size:
                yield from self._together(waiting)
                waiting = []
        yield from self._together(waiting)

    def _together(self, items: list[Item]) -> Iterator[tuple[Item, np.ndarray | None]]:
        pictures = [item.picture for item in items if item.picture is not None]
        depths = iter(self.model(pictures) if pictures else [])
        for item in items:
            yield item, None if item.picture is None else next(depths)

    def _encoded(self, found: tuple[Item, np.ndarray | None]) -> Row | Item:
        item, depth = found
        if depth is None:
            return item
        if not np.isfinite(depth).any():
            return Item(item.name, item.source, item.index, reason="the model gave no finite depth")
        data, least, most = encoded(depth, self._job.depth, self.model.info)
        height, width = depth.shape
        name, source = item.name, item.source
        if self._job.form == "parquet":
            name, source = text(name), text(source)
        return Row(name, source, item.index, item.time_s, height, width, data, least, most)


def ahead(
    pool: ThreadPoolExecutor | None, work: Callable[[T], R], things: Iterable[T], most: int
) -> Iterator[R]:
    """`work` of each in order, begun on up to `most` before they are asked for; without a pool on none."""
    if pool is None:
        yield from map(work, things)
        return
    waiting: deque[Future[R]] = deque()
    try:
        for thing in things:
            waiting.append(pool.submit(work, thing))
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
