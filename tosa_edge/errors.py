"""The errors a user is meant to read: one sentence that says what, one that says what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable


class TosaEdgeError(Exception):
    """Bad input or usage.

    Args:
        what: one line, what is wrong.
        remedy: one line, what to do about it.
    """

    exit_code = 2

    def __init__(self, what: str, remedy: str) -> None:
        self.what, self.remedy = _line(what), _line(remedy)
        super().__init__(f"{self.what}\n{self.remedy}")

    def __reduce__(self) -> tuple[type[TosaEdgeError], tuple[str, str]]:
        """Comes out of another process as it went in."""
        return type(self), (self.what, self.remedy)


def printable(text: str) -> str:
    """For a terminal: names may hold what moves its cursor, or bytes that are no text. Lines stay lines."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def _line(text: str) -> str:
    """Names of files and other people's messages may hold line breaks."""
    return printable(" ".join(text.splitlines()))


class CheckFailed(TosaEdgeError):
    """A check that was asked for has failed."""

    exit_code = 1


class MachineLacks(TosaEdgeError):
    """This machine lacks what was asked for: a GPU, TensorRT, a package."""

    exit_code = 3


def exit_code_of(work: Callable[[], object]) -> int:
    """Runs a program that stands beside the CLI: its exit code, after saying what a user can mend."""
    try:
        work()
    except TosaEdgeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0
