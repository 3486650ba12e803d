"""A live source that is lost and found again: unplugged, restarted, stalled, out of the network's reach."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

from tosa_edge.errors import TosaEdgeError
from tosa_edge.pictures.opencv import opencv
from tosa_edge.runtime.sources import Frame, Source

# A session of fewer frames than this is no recovery: the waits go on growing.
_SETTLED = 10
# The frame that showed that the source works is too old to show when somebody comes to read after this long.
_FRESH_SECONDS = 0.5


def _losses() -> tuple[type[Exception], ...]:
    """What opening and reading raise: no camera, no memory, no descriptors, OpenCV's assertions."""
    return TosaEdgeError, OSError, opencv().error


def what(error: Exception) -> str:
    return (
        error.what if isinstance(error, TosaEdgeError) else f"{type(error).__name__}: {error}".splitlines()[0]
    )


class Session(Protocol):
    """One uninterrupted stretch of a live source. It blocks in its iteration only, and there not for ever."""

    fps: float
    corrupt: int

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...


class Reconnecting(Source):
    """Frames of one session after the other, numbered and timed as one.

    What cannot be opened at first is an error at once; later losses are waited out, as long as it takes.

    Args:
        open_once: begins a session. Nothing that takes time: that is for its iteration.
        waits: seconds before the first attempt to find it again, doubled up to the second number.
        ends: a session that ends without an error is the end; otherwise a loss like any other.

    Attributes:
        corrupt: frames that came but could not be used.
    """

    live = True

    def __init__(
        self,
        open_once: Callable[[], Session],
        label: str,
        waits: tuple[float, float] = (0.2, 5.0),
        ends: bool = False,
    ) -> None:
        self.label = label
        self._open_once, self._waits, self._ends = open_once, waits, ends
        self._closed = threading.Event()
        self._corrupt, self._count, self._last = 0, 0, 0.0
        self._session: Session | None = None
        self._first: Frame | None = None
        self._began: float | None = None
        self._begin()

    @property
    def corrupt(self) -> int:
        return self._corrupt + (self._session.corrupt if self._session else 0)

    def __iter__(self) -> Iterator[Frame]:
        wait = self._waits[0]
        while not self._closed.is_set():
            before, reason = self._count, None
            try:
                yield from self._session_frames()
            except _losses() as error:
                reason = what(error)
            if self._closed.is_set() or (self._ends and reason is None):
                break
            if self._count - before >= _SETTLED:
                wait = self._waits[0]
            wait = self._find_again(reason or "it ended", wait)
        self._close_session()  # also when another thread has: it may not have been able to

    def _session_frames(self) -> Iterator[Frame]:
        """What is left of the session, at its place in the whole."""
        first, self._first = self._first, None
        if first and time.monotonic() - first.arrived < _FRESH_SECONDS:
            yield self._placed(first)
        for frame in self._frames:
            if self._closed.is_set():
                return
            yield self._placed(frame)

    def _placed(self, frame: Frame) -> Frame:
        index, self._count = self._count, self._count + 1
        self._last = max(self._last, frame.timestamp + self._shift)
        return replace(frame, index=index, timestamp=self._last, name=f"{index:06d}")

    def _find_again(self, reason: str, wait: float) -> float:
        """Tries until there is a frame; the wait that a further loss would begin with."""
        lost, said = time.monotonic(), ""
        say = f"lost after {self._count} frames"
        self._close_session()
        while not self._closed.is_set():
            line = f"{reason.removeprefix(f'{self.label}: ')}; again in {wait:.1f} s"
            if line != said:  # so a long outage is not told at each attempt
                self.events(f"{self.label}: {say}: {line}")
            said, say = line, "still lost"
            if self._closed.wait(wait):
                break
            wait = min(2 * wait, self._waits[1])
            try:
                self._begin()
            except _losses() as error:
                reason = what(error)
            else:
                self.reconnects += 1
                self.events(f"{self.label}: back after {time.monotonic() - lost:.1f} s")
                break
        return wait

    def _begin(self) -> None:
        """A new session, up to its first frame."""
        session, past = self._open_once(), self._session
        self._session = session
        self._corrupt += past.corrupt if past else 0
        # Whoever closed before this assignment closed the past session only; after it, this one.
        if self._closed.is_set():
            session.close()
        self._frames = iter(session)
        try:
            first = next(self._frames, None)
            if first is None:
                raise TosaEdgeError(f"{self.label}: it ended at once", "Check that something is being sent.")
        except BaseException:
            session.close()
            raise
        self._first = first
        if self._began is None:
            self._began = first.arrived
        self.fps, start = session.fps, max(self._last, first.arrived - self._began)
        self._shift = start - first.timestamp

    def close(self) -> None:
        self._closed.set()
        self._close_session()

    def _close_session(self) -> None:
        if self._session:
            self._session.close()
