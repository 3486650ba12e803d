"""Who does the work: this process, several on this machine, or a cluster (`ray_crew`). Only this differs."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from tosa_edge.batch.plan import Job, Shard
from tosa_edge.batch.work import Outcome, Worker
from tosa_edge.errors import TosaEdgeError


@dataclass(frozen=True)
class Event:
    """Of a worker: it is ready for a shard, having done one (`outcome`) or having come new; or it is `lost`,
    and with it the shard that it was given."""

    worker: int
    outcome: Outcome | None = None
    lost: str = ""


class Crew(Protocol):
    """Workers by number. `give` is called with one that is ready; one that is lost has a new one after it,
    under another number."""

    def give(self, worker: int, shard: Shard) -> None: ...

    def next(self, patience: float) -> Event | None:
        """What happens next; None when nothing did for so many seconds. Raises what a worker raised."""

    def close(self) -> None:
        """Ends the workers, whatever they are at."""


class Alone:
    """This process."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._worker: Worker | None = None
        self._shard: Shard | None = None

    def give(self, worker: int, shard: Shard) -> None:
        self._shard = shard

    def next(self, patience: float) -> Event | None:
        if self._worker is None:
            self._worker = Worker(self._job)
            return Event(0)
        if self._shard is None:
            return None
        shard, self._shard = self._shard, None
        return Event(0, self._worker.do(shard))

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()


class Processes:
    """Processes of this machine. Each has an interpreter of its own: a picture that ends one, as a decoder's
    fault may, ends no other."""

    def __init__(self, job: Job, workers: int) -> None:
        self._job = job
        self._context = multiprocessing.get_context("spawn")
        self._numbers = 0
        self._open: dict[int, tuple[Any, Connection]] = {}
        self._events: deque[Event] = deque()
        for _ in range(workers):
            self._start()

    def give(self, worker: int, shard: Shard) -> None:
        with contextlib.suppress(OSError):  # it has just died, which `next` finds out
            self._open[worker][1].send(shard)

    def next(self, patience: float) -> Event | None:
        if not self._events:
            by_pipe = {pipe: number for number, (_, pipe) in self._open.items()}
            for pipe in wait(list(by_pipe), patience):
                self._events.append(self._heard(by_pipe[pipe], pipe))  # type: ignore[index,arg-type]
        return self._events.popleft() if self._events else None

    def close(self) -> None:
        for _, pipe in self._open.values():
            pipe.close()  # at which those with nothing to do end by themselves
        for process, _ in self._open.values():
            process.join(2)
            if process.is_alive():
                process.kill()
                process.join()

    def _start(self) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(self._job, theirs), daemon=True)
        process.start()
        theirs.close()  # so that its end is the end of the pipe
        self._open[self._numbers] = process, ours
        self._numbers += 1

    def _heard(self, worker: int, pipe: Connection) -> Event:
        try:
            said = pipe.recv()
        except (EOFError, OSError):
            process, _ = self._open.pop(worker)
            process.join()
            pipe.close()
            self._start()
            return Event(worker, lost=f"the worker ended with {process.exitcode}")
        if isinstance(said, BaseException):
            raise said
        return Event(worker, said)


def _work(job: Job, pipe: Connection) -> None:
    """A worker's process. Signals are for the one that shares out: what was begun is completed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        worker = Worker(job)
        pipe.send(None)
        while True:
            pipe.send(worker.do(pipe.recv()))
    except (EOFError, BrokenPipeError):
        return  # nobody is there any more to give shards
    except Exception as error:
        ours = isinstance(error, TosaEdgeError)
        pipe.send(error if ours else RuntimeError(f"a worker failed: {type(error).__name__}: {error}"))


def done_by(crew: Crew, shards: Iterator[Shard], patience: float = 0.5) -> Iterator[Outcome | Lost | None]:
    """Gives shards to whoever is ready, and each again that was lost with its worker.

    Gives None whenever there is nothing to tell, so that whoever listens may stop.
    """
    given: dict[int, Shard] = {}
    ready: deque[int] = deque()
    again: deque[Shard] = deque()
    losses: dict[int, int] = {}
    unready = 0
    following = next(shards, None)
    while following is not None or again or given:
        while ready and (again or following is not None):
            if again:
                shard = again.popleft()
            else:
                assert following is not None
                shard, following = following, next(shards, None)
            given[ready[0]] = shard
            crew.give(ready.popleft(), shard)
        event = crew.next(patience)
        if event is None:
            yield None
            continue
        if not event.lost:
            unready = 0
            ready.append(event.worker)
            if event.outcome is not None:
                given.pop(event.worker)
                yield event.outcome
            continue
        lost = given.pop(event.worker, None)
        if event.worker in ready:
            ready.remove(event.worker)
        if lost is None:
            unready += 1
            if unready >= _TRIES:
                raise TosaEdgeError(
                    f"workers end before they have done anything: {event.lost}",
                    "See what they say with --workers 1; or this machine has too little memory for them.",
                )
            continue
        losses[lost.number] = losses.get(lost.number, 0) + 1
        if losses[lost.number] < _TRIES:
            again.append(lost)
        else:
            yield Lost(lost.number, event.lost)


@dataclass(frozen=True)
class Lost:
    """A shard that took its worker with it each time; it stays to be done."""

    number: int
    reason: str


_TRIES = 3
