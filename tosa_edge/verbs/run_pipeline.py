"""What `demo` and `run` share: frames through a model into files and viewers, and a summary of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from tosa_edge.verbs.arguments import ignore

if TYPE_CHECKING:
    from tosa_edge.runtime.outputs import OutputOptions
    from tosa_edge.runtime.pipeline import Predictor
    from tosa_edge.runtime.sinks import Result
    from tosa_edge.runtime.sources import Source
    from tosa_edge.runtime.summary import Summary


def run_pipeline(
    specs: Sequence[str],
    engine: str,
    fit: str,
    wanted: OutputOptions,
    *,
    refresh: str = "1",
    reuse: str | None = None,
    known: Sequence[str] = (),
    most: int | None = None,
    recursive: bool = False,
    usual: Path | None = None,
    provider: str = "auto",
    also_read: Sequence[Path] = (),
    force: bool = False,
    replaces: bool = False,
    stop: Event | None = None,
    on_start: Callable[[str, int | None], None] = ignore,
    on_result: Callable[[Result, Summary], None] = ignore,
    say: Callable[[str], None] = ignore,
) -> dict[str, Any]:
    """Runs everything and returns what `--json` prints.

    Args:
        usual: the folder for files where nobody said one: of sources that end, or of files that were asked
            for.
        also_read: files that are inputs too, and so are not to be written.
        replaces: a former result of the same kind, as `demo` does.
        stop: whoever sets it ends the run.
        on_start: told what runs on what, and how many frames there will be: None where nobody knows.
        on_result: told of each result, and of the run so far.
    """
    from dataclasses import replace

    from tosa_edge.atomic_files import write_bytes
    from tosa_edge.errors import TosaEdgeError
    from tosa_edge.find_model import files_of
    from tosa_edge.output_paths import SUMMARY, left_of_former, refuse_overwrites, results_of
    from tosa_edge.runtime import pipeline
    from tosa_edge.runtime.outputs import OF_A_FOLDER, open_sinks, refuse_others, remove_former
    from tosa_edge.runtime.pipeline import stopped_by_signals
    from tosa_edge.runtime.sources import inputs_of, open_sources

    if known and len(specs) > 1:
        raise TosaEdgeError("--metres is of one camera's picture", "Run one source at a time with it.")
    stop = stop or Event()
    with ExitStack() as stack:
        model, used, load_ms = _load(stack, engine, fit, refresh, reuse, known, provider)
        sources = open_sources(specs, recursive)
        for source in sources:
            stack.callback(source.close)
            source.events = say
            for note in source.notes:
                say(note)
        wanted = replace(
            wanted, out=_folder(stack, wanted, sources, usual, say, numbering=not (force or replaces))
        )
        _refuse_beside(wanted.out, specs)
        outputs = wanted.files(sources)
        inputs = [*inputs_of(specs), *files_of(engine), *(files_of(reuse) if reuse else ()), *also_read]
        names = {path.name for path in outputs}
        refuse_overwrites(
            outputs,
            inputs,
            flag="--out" if replaces else "--out or --record",
            force=force,
            former=lambda path: replaces and path.name in results_of(path.parent) <= names,
            check=refuse_others,
            say=say,
        )
        former = left_of_former(wanted.out, OF_A_FOLDER, outputs, inputs) if wanted.out else []
        label = ", ".join(Path(source.label).name for source in sources)
        on_start(f"{model.label} on {label}", frames_expected(sources, most))
        sinks = open_sinks(wanted, sources, model.info, say, stop.set, _drawn)

        def on_lost(summary: Summary) -> None:
            if most is not None and summary.frames + summary.without_depth >= most:
                stop.set()

        def after_result(result: Result, summary: Summary) -> None:
            on_result(result, summary)
            on_lost(summary)

        with stopped_by_signals(stop):
            summary = pipeline.run(sources, model, sinks, after_result, stop, on_lost)
    result = _result(summary, load_ms, model, fit, used, sources)
    if wanted.out is not None:
        remove_former(former, say)
        path = wanted.out / SUMMARY
        result["outputs"] = [*result["outputs"], str(path)]
        write_bytes(path, (json.dumps(result, indent=2) + "\n").encode())
    return result


def _result(
    summary: Summary,
    load_ms: float,
    model: Predictor,
    fit: str,
    provider: str | None,
    sources: Sequence[Source],
) -> dict[str, Any]:
    from tosa_edge import machine
    from tosa_edge.runtime.metric import MetricModel

    return {
        **summary.as_dict(),
        "load_ms": round(load_ms, 1),
        "model": model.label,
        "size": f"{model.info.height}x{model.info.width}",
        "fit": fit,
        "provider": provider,
        "source": ", ".join(source.label for source in sources),
        "refreshed": model.refreshed,
        "left_out": [note for source in sources for note in source.notes],
        **(model.facts() if isinstance(model, MetricModel) else {}),
        "machine": machine.facts(),
        **_drawn(),
    }


def _drawn() -> dict[str, Any]:
    """What the board draws now; nothing on a machine that does not say."""
    from tosa_edge.diagnosis.power import read_power

    power = read_power()
    return power.as_dict() if power else {}


def _refuse_beside(out: Path | None, specs: Sequence[str]) -> None:
    """Raises where results would come to lie among the files that a pattern matches."""
    from tosa_edge.errors import TosaEdgeError
    from tosa_edge.runtime.sources.address import folders_of

    if out is None or not out.exists():
        return
    for spec in specs:
        if any(os.path.samefile(out, folder) for folder in folders_of(spec)):
            raise TosaEdgeError(
                f"{out} holds what {spec} matches, and would be written to",
                "Write to another place with --out.",
            )


def _folder(
    stack: ExitStack,
    wanted: OutputOptions,
    sources: Sequence[Source],
    usual: Path | None,
    say: Callable[[str], None],
    *,
    numbering: bool,
) -> Path | None:
    """Where files go, if any: with `numbering` into a folder that holds no former run."""
    from tosa_edge.output_paths import new_run_folder

    out = wanted.out
    if out is None and (wanted.of_frames or (not wanted.is_specified and all(map(_ends, sources)))):
        out = usual
    if out is None or not numbering:
        return out
    place = stack.enter_context(new_run_folder(out, new=wanted.out is None))
    if place != out:
        say(f"a former run is not replaced: writing to {place}")
    return place


def frames_expected(sources: Sequence[Source], most: int | None) -> int | None:
    """None where one of them has no end that is known."""
    counts = [source.frame_count for source in sources]
    known = [count for count in counts if count is not None]
    return None if len(known) < len(counts) else min(sum(known), most or sum(known))


def _ends(source: Source) -> bool:
    """Files, which are worth writing files of; what never ends would fill a disk."""
    return not source.live and not source.label.startswith("test://")


def _load(
    stack: ExitStack,
    engine: str,
    fit: str,
    refresh: str,
    reuse: str | None,
    known: Sequence[str],
    provider: str,
) -> tuple[Predictor, str | None, float]:
    """The model, perhaps of two forms taken in turn, perhaps in metres; ONNX Runtime's provider; and how long
    that took in ms."""
    import time

    from tosa_edge.depth_model import DepthModel
    from tosa_edge.runtime.metric import MetricModel, parse_known
    from tosa_edge.runtime.refresh import parse_refresh
    from tosa_edge.runtime.streaming import StreamingModel, full_of, reuse_of

    rule, places = parse_refresh(refresh), [parse_known(text) for text in known]
    began = time.perf_counter()
    if rule is not None and reuse is None:
        engine = full_of(engine)
    first = stack.enter_context(DepthModel.load(engine, fit=fit, provider=provider))
    model: Predictor = first
    if rule is not None:
        again = reuse or reuse_of(engine)
        other = stack.enter_context(DepthModel.load(again, fit=fit, provider=provider))
        model = StreamingModel(first, other, rule)
    if places:
        model = MetricModel(model, places)
    return model, first.provider, 1000 * (time.perf_counter() - began)
