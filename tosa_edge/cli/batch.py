"""`tosa-edge batch`"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from tosa_edge.cli.common import ForceFlag, JsonFlag, ProviderOption, emit
from tosa_edge.console import console, counted, say
from tosa_edge.errors import CheckFailed
from tosa_edge.find_model import DEFAULT_MODEL
from tosa_edge.progress import progress

if TYPE_CHECKING:
    from tosa_edge.batch.plan import Plan
    from tosa_edge.batch.run import Tally

EXAMPLES = (
    "tosa-edge batch --input photos --output depth",
    "tosa-edge batch --input 'drives/*.mp4' --output depth --workers 4 --threads 2",
)
_LINE_S = 60.0  # where no bar is drawn, a line each minute


def main(
    inputs: Annotated[
        list[str],
        typer.Option(
            "--input",
            help="A folder with all in it, a pattern ('drives/*.mp4'), a picture, a video, or Parquet with a "
            "column of pictures. May be repeated.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the job; the same command goes on in it.")
    ],
    model: Annotated[
        str,
        typer.Option("-m", "--model", "--engine", help="A MODEL or an engine; its batch is used whole."),
    ] = DEFAULT_MODEL,
    form: Annotated[str, typer.Option("--as", help="parquet, or files: one for each picture.")] = "parquet",
    depth: Annotated[
        str, typer.Option("--depth", help="png16, in 16 bits, or npz, float32 as it was.")
    ] = "png16",
    fit: Annotated[
        str, typer.Option("--fit", help="How pictures fit the model: letterbox, stretch or crop.")
    ] = "letterbox",
    shard: Annotated[int, typer.Option("--shard", min=1, max=4096, help="Pictures in each file.")] = 256,
    column: Annotated[str, typer.Option("--column", help="Of Parquet: the column of pictures.")] = "",
    workers: Annotated[
        int,
        typer.Option("--workers", min=0, help="Processes, each with its engine; 0 is one, or all of Ray's."),
    ] = 0,
    threads: Annotated[
        int, typer.Option("--threads", min=0, help="Of each worker; 0 shares the cores out among them.")
    ] = 0,
    ray: Annotated[
        Optional[str], typer.Option("--ray", help="A Ray cluster: HOST:PORT, auto, or local for one here.")
    ] = None,
    provider: ProviderOption = "auto",
    force: ForceFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Depth for a great many pictures, into Parquet or files; whatever ends it, the same command goes on.

    Pictures are done in shards, each of which has its name only when it is whole. What cannot be read is set
    aside in failures.csv with its reason, and stops nothing. Exits with 1 if anything was, or is left to do.
    """
    from tosa_edge.verbs.batch import batch_pictures

    with _Progress() as shown:
        result = batch_pictures(
            inputs,
            output,
            model=model,
            form=form,
            depth=depth,
            fit=fit,
            shard=shard,
            column=column,
            workers=workers,
            threads=threads,
            ray=ray,
            provider=provider,
            force=force,
            on_start=shown.begin,
            on_shard=shown.step,
            say=say,
        )
    _say(result)
    emit(result, as_json)
    if result["failed"] or result["shards_done"] < result["shards"]:
        raise typer.Exit(CheckFailed.exit_code)


class _Progress(ExitStack):
    """A bar with rate and remaining time; where nobody watches a line each minute."""

    def __enter__(self) -> _Progress:
        self.enter_context(console.status("looking for pictures"))
        return self

    def begin(self, plan: Plan) -> None:
        self.close()
        self._plan, self._last = plan, time.monotonic()
        if console.is_terminal:
            self._advance = self.enter_context(progress("depth", plan.pictures, "pictures"))

    def step(self, tally: Tally) -> None:
        if console.is_terminal:
            self._advance(tally.done + tally.failed - 1)
        elif time.monotonic() - self._last >= _LINE_S:
            self._last = time.monotonic()
            say(_line(self._plan, tally))


def _line(plan: Plan, tally: Tally) -> str:
    done = tally.done + tally.failed
    left = ""
    if plan.pictures is not None and tally.rate:
        minutes = round(max(0, plan.pictures - done) / tally.rate / 60)
        left = f", {minutes // 60} h {minutes % 60:02d} min left"
    of = "" if plan.pictures is None else f" of {plan.pictures:,}"
    return f"{done:,}{of} pictures, {tally.rate:.1f} a second{left}"


def _say(result: dict[str, Any]) -> None:
    say(
        f"{counted(result['done'], 'picture')} in {result['shards_done']} of "
        f"{counted(result['shards'], 'shard')}, {result['pictures_per_s']:.1f} a second: {result['output']}"
    )
    if result["failed"]:
        say(f"{counted(result['failed'], 'picture')} failed: {result['failures']} says why")
    for line in result["lost"]:
        say(f"not done, its worker ended each time: {line}")
    if result["shards_done"] < result["shards"]:
        say("the same command goes on where this one ended")
