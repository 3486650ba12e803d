"""`tosa-edge batch` as a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from tosa_edge.console import counted
from tosa_edge.errors import TosaEdgeError
from tosa_edge.find_model import DEFAULT_MODEL
from tosa_edge.verbs.arguments import StrPath, as_words, check_between, ignore

if TYPE_CHECKING:
    from tosa_edge.batch.crews import Crew
    from tosa_edge.batch.plan import Job, Plan
    from tosa_edge.batch.run import Tally


def batch_pictures(
    inputs: StrPath | Sequence[StrPath],
    output: StrPath,
    *,
    model: StrPath = DEFAULT_MODEL,
    form: str = "parquet",
    depth: str = "png16",
    fit: str = "letterbox",
    shard: int = 256,
    column: str = "",
    workers: int = 0,
    threads: int = 0,
    ray: str | None = None,
    provider: str = "auto",
    force: bool = False,
    stop: Event | None = None,
    on_start: Callable[[Plan], None] = ignore,
    on_shard: Callable[[Tally], None] = ignore,
    say: Callable[[str], None] = ignore,
) -> dict[str, Any]:
    """Depth for a great many pictures, into Parquet or files; whatever ends it, the same call goes on.

    Several workers are processes that import the main program: it needs `if __name__ == "__main__":`.

    Args:
        inputs: a folder with all in it, a pattern, a picture, a video, or Parquet with a column of pictures;
            one, or several in a list.
        output: the folder for the job.
        model: a model or an engine; its batch is used whole.
        form: parquet, or files: one for each picture.
        depth: png16, in 16 bits, or npz, float32 as it was.
        fit: how pictures fit the model: letterbox, stretch or crop.
        shard: pictures in each file.
        column: of Parquet: the column of pictures; empty finds it.
        workers: processes, each with its engine; 0 is one, or all of Ray's.
        threads: of each worker; 0 shares the cores out among them.
        ray: a Ray cluster: HOST:PORT, auto, or local for one here.
        provider: what computes for ONNX Runtime: auto, cpu, cuda, tensorrt or rtx.
        force: begin anew where there is another job.
        stop: set it, from another thread, to end after the shards that are under way. Ctrl-C does the same.
        on_start: told of the plan, with how many `shards` and `pictures` there are (None: nobody knows).
        on_shard: told, after each shard, of how many pictures are `done` and `failed`, and of the `rate`.

    Returns:
        `done` and `failed` pictures, `shards`, `shards_done`, `lost` and `stopped`, `seconds`,
        `pictures_per_s`, `output` and `failures` (paths), `model`, `depth`, `as`. It is whole when
        `shards_done` is `shards`.

    Example:
        >>> done = batch_pictures("photos", "depth", form="files", depth="npz")
        >>> done["done"], done["failed"]
    """
    from tosa_edge.batch import run
    from tosa_edge.runtime.pipeline import stopped_by_signals

    check_between("--shard", shard, 1, 4096)
    check_between("--workers", workers, 0)
    check_between("--threads", threads, 0)
    job = _job(as_words(inputs), Path(output), str(model), form, depth, fit, shard, column, provider)
    job = _with_threads(job, threads, workers, ray)
    plan, old = run.prepared(job, force)
    known = "" if plan.pictures is None else f", {counted(plan.pictures, 'picture')}"
    on_start(plan)
    say(f"{'going on in' if old else 'writing to'} {output}: {counted(plan.shards, 'shard')}{known}")
    stop = stop or Event()
    with stopped_by_signals(stop):
        tally = run.work_off(plan, lambda: _crew(job, workers, ray), stop, on_shard)
    return run.summarise(plan, tally)


def _job(
    inputs: list[str],
    output: Path,
    model: str,
    form: str,
    depth: str,
    fit: str,
    shard: int,
    column: str,
    provider: str,
) -> Job:
    from tosa_edge.batch.inputs import absolute
    from tosa_edge.batch.parquet import pyarrow
    from tosa_edge.batch.plan import DEPTHS, FORMS, Job
    from tosa_edge.files import sha256_of
    from tosa_edge.find_model import ASSETS, find_graph
    from tosa_edge.pictures.fit import check_mode

    check_mode(fit)
    for flag, word, words in (("--as", form, FORMS), ("--depth", depth, DEPTHS)):
        if word not in words:
            raise TosaEdgeError(f"there is no {flag} {word[:20]!r}", f"Use one of: {', '.join(words)}.")
    if form == "parquet":
        pyarrow()
    graph = find_graph(model)
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
    )


def _with_threads(job: Job, threads: int, workers: int, ray: str | None) -> Job:
    """With the cores shared out among several workers, where nobody said how many threads each has."""
    from dataclasses import replace

    from tosa_edge import machine

    machine.threads(threads)
    machine.threads(workers)
    if not threads and (workers > 1 or ray is not None):
        threads = 1 if ray is not None else max(1, machine.cores() // workers)
    return replace(job, threads=threads)


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
