"""What every verb shares: readable errors, exit codes, and one JSON object on stdout."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Annotated, Any

import typer
from rich.text import Text

from tosa_edge.console import console, say, silence
from tosa_edge.errors import CheckFailed, TosaEdgeError

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout; all else on stderr.")
]

ProviderOption = Annotated[
    str,
    typer.Option(
        "--provider", help="What computes for ONNX Runtime: auto, cpu, cuda, tensorrt or rtx. docs/gpu.md"
    ),
]


ForceFlag = Annotated[bool, typer.Option("--force", help="Replace what is there already.")]


def say_refused(refused: list[str]) -> None:
    for what in refused:
        say(f"left out: {what}")


def require_all(refused: list[str]) -> None:
    """Exits with 1 if inputs were left out; results that were written stay."""
    if refused:
        raise typer.Exit(CheckFailed.exit_code)


def emit(result: dict[str, Any], as_json: bool) -> None:
    """The machine-readable answer of a verb, when it was asked for."""
    if not as_json:
        return
    try:
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)  # the reader closed the pipe: no error
    except OSError as error:
        silence(sys.stdout)
        raise TosaEdgeError(
            f"the answer cannot be written: {(error.strerror or str(error)).lower()}",
            "Send stdout to a place that has room.",
        ) from None


def report_errors(verb: Callable[..., None]) -> Callable[..., None]:
    """Decorator: prints TosaEdgeError and OSError as two lines and exits; other exceptions propagate."""

    @functools.wraps(verb)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        as_json = bool(kwargs.get("as_json"))
        try:
            with _interrupts_as_such():
                verb(*args, **kwargs)
        except BrokenPipeError:
            silence(sys.stderr)
            raise typer.Exit(1) from None
        except (TosaEdgeError, OSError) as error:
            shown_error = error if isinstance(error, TosaEdgeError) else _from_system(error)
            with contextlib.suppress(OSError):  # the place for errors may be what is full
                head, then = ("error:", "bold red"), ("do:", "bold")
                lines = Text.assemble(head, f" {shown_error.what}\n", then, f" {shown_error.remedy}")
                console.print(lines, soft_wrap=True)
            with contextlib.suppress(TosaEdgeError):
                emit({"error": shown_error.what, "remedy": shown_error.remedy}, as_json)
            raise typer.Exit(shown_error.exit_code) from None

    return wrapper


@contextlib.contextmanager
def _interrupts_as_such() -> Iterator[None]:
    """Raises KeyboardInterrupt where a library converted Ctrl-C into another exception."""
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    except Exception:
        if pressed:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _from_system(error: OSError) -> TosaEdgeError:
    """What the operating system refused, where nobody said it better."""
    import errno

    path = error.filename if isinstance(error.filename, str) else ""
    if error.errno == errno.EACCES and os.path.exists(path) and not os.access(path, os.R_OK):
        return TosaEdgeError(
            f"{path} cannot be read: {(error.strerror or '').lower()}",
            f"Ask for the right to read it: ls -l {shlex.quote(path)} shows who has it.",
        )
    remedy = {
        errno.ENOSPC: "The disk is full: free some space, or write elsewhere with --out / -o.",
        errno.EACCES: "Check who may read and write there, with ls -l.",
        errno.EROFS: "That file system is read-only: choose another place.",
    }.get(error.errno or 0, "Check that the path exists and can be used.")
    return TosaEdgeError(f"{error.filename or 'a file'}: {error.strerror or error}", remedy)
