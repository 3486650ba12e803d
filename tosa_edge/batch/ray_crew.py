"""Workers on a Ray cluster: plain actors, one for each engine.

Not Ray Data: what it is good at, moving data between stages, does not happen here. A shard's pictures are
read, and its depth is written, where the engine is; what travels is a shard's names and three numbers.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

from tosa_edge.batch.crews import Event
from tosa_edge.batch.plan import Job, Shard
from tosa_edge.batch.work import Outcome, Worker
from tosa_edge.errors import MachineLacks, TosaEdgeError

_TOGETHER = "the cluster lost this worker"


class Remote:
    """An actor. The engine is loaded by a call, not by its construction: a call's error comes back whole."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._worker: Worker | None = None

    def load(self) -> None:
        self._worker = Worker(self._job)

    def do(self, shard: Shard) -> Outcome:
        assert self._worker is not None
        return self._worker.do(shard)


class RayCrew:
    """As many actors as were asked for, or as the cluster has room for. Those for which there is none yet
    wait in Ray, which may start machines for them; a machine that goes is a loss like any other."""

    def __init__(self, job: Job, address: str, workers: int = 0, gpu: bool = False) -> None:
        try:
            import ray
        except ModuleNotFoundError as error:
            if error.name != "ray":
                raise
            raise MachineLacks(
                "--ray wants the package ray, which is not installed",
                "Install it on every machine: pip install 'tosa-edge[batch]'; --workers needs none.",
            ) from None
        self._ray = ray
        self._mine = not ray.is_initialized()
        if self._mine:
            self._join(address)
        threads = max(1, job.threads)
        # Any: its types do not know what `remote` makes of a class.
        self._actor: Any = ray.remote(Remote).options(num_cpus=threads, num_gpus=int(gpu), max_restarts=0)
        self._job = job
        self._numbers = 0
        self._actors: dict[int, Any] = {}
        self._waiting: dict[Any, int] = {}  # calls, and whose each is
        self._events: deque[Event] = deque()
        room = ray.cluster_resources()
        self.workers = workers or max(1, int(room.get("GPU", 0) if gpu else room.get("CPU", 1) // threads))
        for _ in range(self.workers):
            self._start()

    def give(self, worker: int, shard: Shard) -> None:
        self._waiting[self._actors[worker].do.remote(shard)] = worker

    def next(self, patience: float) -> Event | None:
        if not self._events:
            found, _ = self._ray.wait(list(self._waiting), timeout=patience)
            self._events.extend(self._heard(call) for call in found)
        return self._events.popleft() if self._events else None

    def close(self) -> None:
        for actor in self._actors.values():
            self._ray.kill(actor)
        if self._mine:
            self._ray.shutdown()

    def _join(self, address: str) -> None:
        try:
            self._ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            line = (str(error).splitlines() or ["no answer"])[0][:200]
            raise TosaEdgeError(
                f"there is no Ray cluster at {address}: {line}",
                "Give the address that `ray start --head` printed, auto on one of its machines, or local.",
            ) from None

    def _start(self) -> None:
        actor = self._actor.remote(self._job)
        self._actors[self._numbers] = actor
        self._waiting[actor.load.remote()] = self._numbers
        self._numbers += 1

    def _heard(self, call: Any) -> Event:
        worker = self._waiting.pop(call)
        errors = self._ray.exceptions
        try:
            return Event(worker, self._ray.get(call))
        except errors.RayTaskError as error:
            cause = getattr(error, "cause", error)
            if isinstance(cause, TosaEdgeError):
                raise cause from None
            raise RuntimeError(f"a worker failed: {type(cause).__name__}: {cause}") from None
        except errors.RayError as error:
            self._ray.kill(self._actors.pop(worker))
            self._start()
            line = (str(error).splitlines() or [type(error).__name__])[0][:200]
            return Event(worker, lost=f"{_TOGETHER}: {line}")
