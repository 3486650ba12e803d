"""A bounded queue between threads that, when it is full, either blocks or drops its oldest item."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import pairwise
from threading import Condition
from typing import Generic, TypeVar

Item = TypeVar("Item")


class BoundedQueue(Generic[Item]):
    """FIFO of several producers, with at most `room` items of each.

    A full queue either blocks the producer, or drops (and counts) its oldest item. Iteration ends when the
    last producer has finished, when the queue is closed, or when a producer failed: then its error is raised,
    once.
    """

    def __init__(self, room: int, producers: int = 1) -> None:
        self.dropped: Counter[int] = Counter()  # by producer
        self._room, self._producers = room, producers
        self._waiting: deque[tuple[int, Item]] = deque()
        self._closed = False
        self._error: BaseException | None = None
        self._changed = Condition()

    def put(self, item: Item, producer: int = 0, block: bool = True) -> bool:
        """Returns False if the queue is closed; the producer should stop."""
        with self._changed:
            while block and not self._closed and self._count(producer) >= self._room:
                self._changed.wait()
            if self._closed:
                return False
            places = [place for place, (other, _) in enumerate(self._waiting) if other == producer]
            self._waiting.append((producer, item))
            if len(places) >= self._room:
                # Shift this producer's items one place forward, so that its place in the shared order stays.
                places.append(len(self._waiting) - 1)
                for place, following in pairwise(places):
                    self._waiting[place] = self._waiting[following]
                self._waiting.pop()
                self.dropped[producer] += 1
            self._changed.notify_all()
            return True

    def finish(self) -> None:
        """One producer has no more items."""
        with self._changed:
            self._producers -= 1
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """The consumer raises this error; items still queued are discarded."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def close(self) -> None:
        """Closes the queue, discards its items and wakes blocked producers."""
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
