"""`tosa-edge bench` as a function."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.errors import TosaEdgeError
from tosa_edge.find_model import DEFAULT_MODEL
from tosa_edge.verbs.arguments import StrPath, as_words, check_between, ignore

if TYPE_CHECKING:
    from tosa_edge.progress import OnStep

# Of the bundled model: what there is to choose from.
_USUAL = tuple(f"{DEFAULT_MODEL}:{name}" for name in ("dense", "fast", "faster", "168x224", "g1", "g3"))


def bench_models(
    models: StrPath | Sequence[StrPath] = (),
    *,
    rounds: int = 30,
    threads: int = 0,
    profile: bool = False,
    provider: str = "auto",
    clip: StrPath | None = None,
    on_step: OnStep = ignore,
) -> dict[str, Any]:
    """Latency and memory of models, taking turns in one run, as ratios to the first.

    Args:
        models: the first is the baseline; of a folder of engines all that fit here. None given: six of
            `tosa_depth_s`. `MODEL@S` is a model that scores every S-th query row.
        rounds: how often each takes its turn.
        threads: of the CPU; 0 is one for each core.
        profile: also find out where the time goes, by operator type.
        provider: what computes for ONNX Runtime: auto, cpu, cuda, tensorrt or rtx.
        clip: consecutive frames with depth. The forms of one model alternate along it instead, tokens chosen
            at every frame or less often: speed and accuracy.

    Returns:
        `rows`, one for each model: `name`, `p50_ms`, `ratio` (times as fast as the first), `ratio_p10` and
        `ratio_p90`, `peak_mb`, `kept`, `tokens` and so on; `baseline`, `rounds`, `threads`, `machine`,
        `left_out`, and perhaps `profile`. With `clip` a row is a schedule, with its `delta1` and `loss`, and
        `frames`, `clip`, `model` and `refused` say what it was measured on.

    Example:
        >>> rows = bench_models(["tosa_depth_s:dense", "tosa_depth_s:fast"])["rows"]
        >>> {row["name"]: row["ratio"] for row in rows}
    """
    check_between("--rounds", rounds, 1)
    check_between("--threads", threads, 0)
    specs = as_words(models)
    if clip is not None:
        if profile:
            raise TosaEdgeError("--profile is of single models", "Leave it or --clip out.")
        return _along(Path(clip), specs, threads, provider, on_step)
    from tosa_edge.bench.compare import bench
    from tosa_edge.bench.profile import profile as by_operator
    from tosa_edge.bench.variant_graph import graph_of, variants_of

    left_out: list[str] = []
    specs = [one for spec in specs or _USUAL for one in variants_of(spec, left_out)]
    timed = bench(specs, rounds, threads, lambda index: on_step("timing", index + 1, rounds), provider)
    result: dict[str, Any] = {**timed, "left_out": left_out}
    if profile:
        result["profile"] = {
            row["name"]: by_operator(graph_of(spec), threads, provider=row["provider"])
            for row, spec in zip(result["rows"], specs, strict=True)
        }
    return result


def _along(clip: Path, models: list[str], threads: int, provider: str, on_step: OnStep) -> dict[str, Any]:
    from tosa_edge.bench.streaming import stream, usual
    from tosa_edge.evaluation.depth_data import find_pairs, read_samples

    if len(models) > 1 or any(":" in model for model in models):
        raise TosaEdgeError(
            "--clip compares the forms of one model", f"Give its name alone, such as {DEFAULT_MODEL}."
        )
    pairs, refused = find_pairs(clip), list[str]()
    model = models[0] if models else DEFAULT_MODEL
    measured = stream(
        usual(model),
        read_samples(pairs, refused),
        threads,
        lambda index: on_step("along the clip", index + 1, len(pairs)),
        provider,
    )
    return {**measured, "clip": str(clip), "model": model, "refused": refused}
