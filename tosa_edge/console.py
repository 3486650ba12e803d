"""Where people read: stderr, whatever names hold, and stdout for what a verb was asked; with `--json` that is
for programs."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, TextIO

from rich.console import Console
from rich.status import Status
from rich.text import Text

from tosa_edge.errors import printable


def counted(number: int, word: str) -> str:
    """`1 frame`, `2 frames`"""
    return f"{number} {word}{'' if number == 1 else 's'}"


def silence(stream: TextIO) -> None:
    """Redirects the stream to /dev/null, so that the flush at interpreter exit does not fail."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class _Console(Console):
    """Shows every text as it is, whatever names hold: no markup, no `:emoji:`, nothing for the terminal."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)

    def status(self, status: Any, **options: Any) -> Status:
        return super().status(Text(printable(status)), **options)

    def on_broken_pipe(self) -> None:
        """Who asked, and reads no further, has what was wanted: nothing is wrong. rich exits with 1."""
        if self.stderr:
            super().on_broken_pipe()
        self.quiet = True
        silence(sys.stdout)


console = _Console(stderr=True, highlight=False, markup=False, emoji=False)
_stdout = _Console(highlight=False, markup=False, emoji=False)


def answers(as_json: bool) -> Console:
    """Where the table goes that is a verb's result: stdout, which `--json` leaves to programs."""
    return console if as_json else _stdout


def say(text: str) -> None:
    """A line for people, which the terminal wraps and programs find whole."""
    console.print(text, soft_wrap=True)
