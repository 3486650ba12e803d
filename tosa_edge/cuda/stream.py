"""A queue of work for the GPU, and marks in it."""

from __future__ import annotations

from tosa_edge.cuda.context import Context
from tosa_edge.cuda.driver import call

DEFAULT_STREAM = 1  # the legacy default stream, as the driver and the array interface count it
_NON_BLOCKING, _NO_TIMES = 1, 2  # CU_STREAM_NON_BLOCKING, CU_EVENT_DISABLE_TIMING


class Event:
    """A mark in a stream. Two of them measure what lies between, if both were made with `timed`."""

    def __init__(self, context: Context, timed: bool = False) -> None:
        with context.active():
            self._handle = call("cuEventCreate", 0 if timed else _NO_TIMES)
        self.close = context.give_back(self, "cuEventDestroy", self._handle)

    def record(self, stream: int) -> None:
        call("cuEventRecord", self._handle, stream)

    def hold_back(self, stream: int) -> None:
        """What is queued there from now on waits for this mark."""
        call("cuStreamWaitEvent", stream, self._handle, 0)

    def milliseconds_since(self, earlier: Event) -> float:
        return float(call("cuEventElapsedTime", earlier._handle, self._handle))


class Stream:
    """Not one that waits for the default stream by itself: such a stream spoils a capture as soon as anybody
    in the process uses the default stream. Where it has to wait, `follow` says so."""

    def __init__(self, context: Context) -> None:
        self.context = context
        with context.active():
            created = call("cuStreamCreate", _NON_BLOCKING)
        self.handle = int(created)
        self._end = context.give_back(self, "cuStreamDestroy", created)
        self._mark = Event(context)

    def synchronize(self) -> None:
        call("cuStreamSynchronize", self.handle)

    def follow(self, other: int) -> None:
        """What is queued here from now on waits for what is queued there by now."""
        if other != self.handle:
            self._mark.record(other)
            self._mark.hold_back(self.handle)

    def close(self) -> None:
        self._mark.close()
        self._end()
