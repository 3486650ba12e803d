"""What every verb shares: readable errors, exit codes, and one JSON object on stdout."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console

from tosa_edge.errors import TosaEdgeError

# Everything people read goes to stderr, so that `--json` leaves stdout to programs.
console = Console(stderr=True, highlight=False)

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout; all else on stderr.")
]


def emit(result: dict[str, Any], as_json: bool) -> None:
    """The machine-readable answer of a verb, when it was asked for."""
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")


def friendly(verb: Callable[..., None]) -> Callable[..., None]:
    """Turns the errors a user can mend into two lines and an exit code; the others stay tracebacks."""

    @functools.wraps(verb)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            verb(*args, **kwargs)
        except (TosaEdgeError, OSError) as error:
            told = error if isinstance(error, TosaEdgeError) else _from_system(error)
            console.print(
                f"[bold red]error:[/] {_plain(told.what)}\n[bold]do:[/] {_plain(told.remedy)}",
                soft_wrap=True,
            )
            emit({"error": told.what, "remedy": told.remedy}, bool(kwargs.get("as_json")))
            raise typer.Exit(told.exit_code) from None

    return wrapper


def _plain(text: str) -> str:
    """Paths hold square brackets; rich must not read them as markup."""
    return text.replace("[", "\\[")


def _from_system(error: OSError) -> TosaEdgeError:
    """What the operating system refused, where nobody said it better."""
    import errno

    remedy = {
        errno.ENOSPC: "The disk is full: free some space, or write elsewhere with --out / -o.",
        errno.EACCES: "Choose a place you may write to, or mend the rights of this one.",
        errno.EROFS: "That file system is read-only: choose another place.",
    }.get(error.errno or 0, "Check that the path exists and can be used.")
    return TosaEdgeError(f"{error.filename or 'a file'}: {error.strerror or error}", remedy)
