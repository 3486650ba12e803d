"""`tosa-edge VERB`: one file per verb, each thin: parse, call, print.

The verbs' modules import nothing heavy at their top: the help must come at once.
"""

from __future__ import annotations

import typer

from tosa_edge.cli import (
    bench,
    build,
    calibrate,
    demo,
    distill,
    doctor,
    evaluate,
    export,
    inspect,
    run,
    train,
    validate,
)
from tosa_edge.cli.common import friendly
from tosa_edge.second_signal import end_at_second_signal

VERBS = (demo, run, build, export, calibrate, distill, train, validate, evaluate, bench, inspect, doctor)

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def root() -> None:
    """Make a vision transformer attend only to the tokens that matter, and run it in real time."""


for _verb in VERBS:
    app.command(_verb.__name__.rpartition(".")[2])(friendly(_verb.main))


def main() -> None:
    end_at_second_signal()
    app()
