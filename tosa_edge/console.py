"""Where people read: stderr, whatever names hold. stdout stays for programs."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.status import Status
from rich.text import Text

from tosa_edge.errors import printable


def counted(number: int, word: str) -> str:
    """`1 frame`, `2 frames`"""
    return f"{number} {word}{'' if number == 1 else 's'}"


class _Console(Console):
    """Shows every text as it is, whatever names hold: no markup, no `:emoji:`, nothing for the terminal."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)

    def status(self, status: Any, **options: Any) -> Status:
        return super().status(Text(printable(status)), **options)


# Everything people read goes to stderr, so that `--json` leaves stdout to programs.
console = _Console(stderr=True, highlight=False, markup=False, emoji=False)


def say(text: str) -> None:
    """A line for people, which the terminal wraps and programs find whole."""
    console.print(text, soft_wrap=True)
