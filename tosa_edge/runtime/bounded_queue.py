"""What one thread hands to another: a short queue that either waits for room or forgets what is old."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import pairwise
from threading import Condition
from typing import Generic, TypeVar

Item = TypeVar("Item")


class BoundedQueue(Generic[Item]):
    """Items of several givers, first come first served, at most `room` of each giver.

    A giver that finds no room waits (a file loses nothing), or its oldest item is dropped and counted (a
    camera's old frame is worth nothing). The taker iterates: until the last giver has finished, or somebody
    closed it, or a giver failed; then its error is raised here, once.
    """

    def __init__(self, room: int, producers: int = 1) -> None:
        self.dropped: Counter[int] = Counter()  # by giver
        self._room, self._producers = room, producers
        self._waiting: deque[tuple[int, Item]] = deque()
        self._closed = False
        self._error: BaseException | None = None
        self._changed = Condition()

    def put(self, item: Item, producer: int = 0, block: bool = True) -> bool:
        """False: nobody takes any more, so the giver can go home."""
        with self._changed:
            while block and not self._closed and self._count(producer) >= self._room:
                self._changed.wait()
            if self._closed:
                return False
            places = [place for place, (other, _) in enumerate(self._waiting) if other == producer]
            self._waiting.append((producer, item))
            if len(places) >= self._room:
                # Each moves up into the place of the one before: a giver keeps its turn among the others.
                places.append(len(self._waiting) - 1)
                for place, following in pairwise(places):
                    self._waiting[place] = self._waiting[following]
                self._waiting.pop()
                self.dropped[producer] += 1
            self._changed.notify_all()
            return True

    def finish(self) -> None:
        """One giver has no more."""
        with self._changed:
            self._producers -= 1
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """The taker gets this error instead of what is still waiting."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody takes any more; givers that wait are let go."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Item]:
        while True:
            with self._changed:
                while not (self._waiting or self._closed or self._error or self._producers <= 0):
                    self._changed.wait()
                if self._error:
                    raise self._error
                if not self._waiting:
                    return
                _, item = self._waiting.popleft()
                self._changed.notify_all()
            yield item

    def _count(self, producer: int) -> int:
        return sum(other == producer for other, _ in self._waiting)
