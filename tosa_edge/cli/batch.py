"""`tosa-edge batch`"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from tosa_edge.cli.common import ForceFlag, JsonFlag, ProviderOption, emit
from tosa_edge.console import console, counted, say
from tosa_edge.errors import CheckFailed
from tosa_edge.find_model import DEFAULT_MODEL
from tosa_edge.progress import progress

if TYPE_CHECKING:
    from tosa_edge.batch.crews import Crew
    from tosa_edge.batch.plan import Job, Plan
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
    from threading import Event

    from tosa_edge.batch import run
    from tosa_edge.runtime.pipeline import stopped_by_signals

    job = _job(inputs, output, model, form, depth, fit, shard, column, workers, threads, ray, provider)
    with console.status("looking for pictures"):
        plan, old = run.prepared(job, force)
    known = "" if plan.pictures is None else f", {counted(plan.pictures, 'picture')}"
    say(f"{'going on in' if old else 'writing to'} {output}: {counted(plan.shards, 'shard')}{known}")
    stop = Event()
    with stopped_by_signals(stop), _progress(plan) as on_step:
        tally = run.work_off(plan, lambda: _crew(job, workers, ray), stop, on_step)
    result = run.summarise(plan, tally)
    _say(result)
    emit(result, as_json)
    if result["failed"] or result["shards_done"] < result["shards"]:
        raise typer.Exit(CheckFailed.exit_code)


def _job(
    inputs: list[str],
    output: Path,
    model: str,
    form: str,
    depth: str,
    fit: str,
    shard: int,
    column: str,
    workers: int,
    threads: int,
    ray: str | None,
    provider: str,
) -> Job:
    from tosa_edge import machine
    from tosa_edge.batch.inputs import absolute
    from tosa_edge.batch.parquet import pyarrow
    from tosa_edge.batch.plan import DEPTHS, FORMS, Job
    from tosa_edge.errors import TosaEdgeError
    from tosa_edge.files import sha256_of
    from tosa_edge.find_model import ASSETS, find_graph
    from tosa_edge.pictures.fit import check_mode

    check_mode(fit)
    for flag, word, words in (("--as", form, FORMS), ("--depth", depth, DEPTHS)):
        if word not in words:
            raise TosaEdgeError(f"there is no {flag} {word[:20]!r}", f"Use one of: {', '.join(words)}.")
    if form == "parquet":
        pyarrow()
    machine.threads(threads)
    machine.threads(workers)
    graph = find_graph(model)
    if not threads and (workers > 1 or ray is not None):
        threads = 1 if ray is not None else max(1, machine.cores() // workers)
    return Job(
        tuple(absolute(spec) for spec in inputs),
        str(output.absolute()),
        model if graph.is_relative_to(ASSETS) else str(graph.absolute()),
        sha256_of(graph),
        fit,
        depth,
        form,
        shard,
        column,
        provider,
        threads,
    )


def _crew(job: Job, workers: int, ray: str | None) -> Crew:
    from tosa_edge.batch.crews import Alone, Processes

    if ray is not None:
        from tosa_edge.batch.ray_crew import RayCrew

        return RayCrew(job, ray, workers, _on_gpu(job))
    return Processes(job, workers) if workers > 1 else Alone(job)


def _on_gpu(job: Job) -> bool:
    from tosa_edge.engine import ONNXRUNTIME
    from tosa_edge.engine.load import manifest_of
    from tosa_edge.engine.names import is_engine
    from tosa_edge.find_model import find_graph

    graph = find_graph(job.model)
    if is_engine(graph) and (manifest := manifest_of(graph)).backend != ONNXRUNTIME:
        return bool(manifest.backend)
    return job.provider in ("cuda", "tensorrt", "rtx")


@contextmanager
def _progress(plan: Plan) -> Iterator[Callable[[Tally], None]]:
    """A bar with rate and remaining time; where nobody watches a line each minute."""
    if console.is_terminal:
        with progress("depth", plan.pictures, "pictures") as advance:
            yield lambda tally: advance(tally.done + tally.failed - 1)
        return
    last = time.monotonic()

    def step(tally: Tally) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_S:
            last = time.monotonic()
            say(_line(plan, tally))

    yield step


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
