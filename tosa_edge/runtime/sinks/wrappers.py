"""The hand-off to a viewer, which may be slow, hang or go away: the run goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime.sinks import Result, Sink

# How long the end of a run waits for a viewer that hangs; its thread is a daemon and dies with the process.
_PATIENCE_S = 3.0
# Limits viewers to 60 updates a second, to save CPU time for the model.
_SHORTEST_S = 1 / 60


class NewestOnly(Sink):
    """Gives `viewer` the newest result in a thread of its own, sixty a second at most, and drops the others.

    Everything the viewer does happens in that thread, as windows need it. The first exception ends the viewer
    and not the run; `on_event` is told once.
    """

    def __init__(self, viewer: Sink, on_event: Callable[[str], None] = lambda text: None) -> None:
        self._viewer = viewer
        self._on_event = on_event
        self._changed = threading.Condition()
        self._waiting: Result | None = None
        self._ending: Callable[[], object] | None = None
        self.skipped = 0
        self.failure: Exception | None = None
        name = type(viewer).__name__
        self._thread = threading.Thread(target=self._run, name=f"tosa-edge {name}", daemon=True)
        self._thread.start()

    def write(self, result: Result) -> None:
        with self._changed:
            if self.failure is not None:
                return
            self.skipped += self._waiting is not None
            self._waiting = result
            self._changed.notify()

    def seal(self) -> None:
        """The viewer sees the last frame, then ends."""
        self._end(self._viewer.seal)

    def commit(self) -> Path | None:
        return None if self.failure else self._viewer.commit()

    def abort(self) -> None:
        with self._changed:
            self._waiting = None
        if self._thread.is_alive():
            self._end(self._viewer.abort)
        else:
            self._viewer.abort()

    def _end(self, ending: Callable[[], object]) -> None:
        with self._changed:
            self._ending = ending
            self._changed.notify()
        if threading.current_thread() is self._thread:
            return
        self._thread.join(_PATIENCE_S)
        if self._thread.is_alive() and self.failure is None:
            self._failed(TimeoutError("it does not answer"))

    def _run(self) -> None:
        try:
            while (result := self._next()) is not None:
                began = time.monotonic()
                self._viewer.write(result)
                with self._changed:
                    rest = _SHORTEST_S - (time.monotonic() - began)
                    self._changed.wait_for(lambda: self._ending is not None, max(0.0, rest))
            assert self._ending is not None
            self._ending()
        except Exception as error:
            self._failed(error)
            self._viewer.abort()

    def _next(self) -> Result | None:
        """The newest result, as soon as there is one; None when the end has come."""
        while True:
            with self._changed:
                if self._waiting is None and self._ending is None:
                    self._changed.wait(self._viewer.idle_s)
                result, self._waiting = self._waiting, None
                if result is not None or self._ending is not None:
                    return result
            self._viewer.idle()

    def _failed(self, error: Exception) -> None:
        with self._changed:
            self.failure, self._waiting = error, None
        what = error.what if isinstance(error, TosaEdgeError) else str(error) or type(error).__name__
        what = " ".join(what.split())  # OpenCV writes several lines
        self._on_event(f"{type(self._viewer).__name__} ended, the run goes on: {what}")


class OfStream(Sink):
    """A sink that sees one stream only."""

    def __init__(self, stream: int, sink: Sink) -> None:
        self._stream, self._sink = stream, sink

    def write(self, result: Result) -> None:
        if result.stream == self._stream:
            self._sink.write(result)

    def seal(self) -> None:
        self._sink.seal()

    def commit(self) -> Path | None:
        return self._sink.commit()

    def abort(self) -> None:
        self._sink.abort()
