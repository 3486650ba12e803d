"""A thread of the pipeline, whose error is not lost with it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

from tosa_edge.errors import TosaEdgeError


class Stage(Thread):
    """Does `work`; if that fails, whoever has to know is told at once, and `finished` raises it again."""

    def __init__(
        self, name: str, work: Callable[[], None], on_error: Callable[[BaseException], None]
    ) -> None:
        super().__init__(name=f"tosa-edge {name}", daemon=True)
        self.stage = name
        self.error: BaseException | None = None
        self._work, self._on_error = work, on_error

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self.error = failure = told(self.stage, error)
            self._on_error(failure)

    def finished(self) -> None:
        self.join()
        if self.error is not None:
            raise self.error


def told(stage: str, error: BaseException) -> BaseException:
    """What a user can mend speaks for itself; anything else says in which stage it happened."""
    if isinstance(error, TosaEdgeError):
        return error
    named = RuntimeError(f"the {stage} stage failed: {type(error).__name__}: {error}")
    named.__cause__ = error
    return named
