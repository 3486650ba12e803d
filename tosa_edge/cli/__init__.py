"""`tosa-edge VERB`: one file per verb, each thin: parse, call, print.

The verbs' modules import nothing heavy at their top: the help must come at once.
"""

from __future__ import annotations

from types import ModuleType
from typing import Annotated

import typer

from tosa_edge.cli import (
    batch,
    bench,
    build,
    calibrate,
    demo,
    distill,
    doctor,
    evaluate,
    export,
    inspect,
    package,
    run,
    train,
    tune,
    validate,
)
from tosa_edge.cli.common import report_errors
from tosa_edge.second_signal import end_at_second_signal

VERBS = (
    demo,
    run,
    batch,
    build,
    export,
    calibrate,
    tune,
    distill,
    train,
    validate,
    evaluate,
    bench,
    package,
    inspect,
    doctor,
)

app = typer.Typer(
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Examples:\n\ntosa-edge demo\n\ntosa-edge run photo.jpg",
)


def _version(asked: bool) -> None:
    from tosa_edge import __version__

    if asked:
        typer.echo(f"tosa-edge {__version__}")
        raise typer.Exit


FIRST = (
    ("tosa-edge demo", "see it work, on a clip that came along"),
    ("tosa-edge run photo.jpg", "depth of a picture, a video or a folder"),
    ("tosa-edge run 0 --serve", "depth of a camera, on a live page"),
    ("tosa-edge build --precision fp16", "an engine for this machine, validated"),
    ("tosa-edge tune MODEL --images VIDEO", "make a model faster, at the least loss"),
    ("tosa-edge doctor", "what this machine can do, what it lacks"),
    ("tosa-edge -h", "everything else"),
)


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Make a vision transformer attend only to the tokens that matter, and run it in real time."""
    if context.invoked_subcommand is None:
        for command, what in FIRST:
            typer.echo(f"{command:38}{what}")


def _help(verb: ModuleType) -> tuple[str, str]:
    """The docstring, its lines joined to paragraphs as typer does not; and the examples, one a line."""
    paragraphs = (verb.main.__doc__ or "").split("\n\n")
    text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    return text, "\n\n".join(("Examples:", *verb.EXAMPLES))


for _verb in VERBS:
    _text, _examples = _help(_verb)
    _name = _verb.__name__.rpartition(".")[2]
    app.command(_name, help=_text, epilog=_examples)(report_errors(_verb.main))


def main() -> None:
    end_at_second_signal()
    app()
