"""Each result to a function of yours."""

from __future__ import annotations

from collections.abc import Callable

from tosa_edge.runtime.sinks import Result, Sink


class CallbackSink(Sink):
    """What the function raises ends the run.

    Example:
        >>> sink = CallbackSink(lambda result: planner.take(result.prediction.depth, result.age_ms))
    """

    def __init__(self, function: Callable[[Result], object]) -> None:
        self._function = function

    def write(self, result: Result) -> None:
        self._function(result)

    def seal(self) -> None:
        """A function has nothing to complete."""

    def commit(self) -> None:
        return None

    def abort(self) -> None:
        """And nothing to take back."""
