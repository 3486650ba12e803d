"""`tosa-edge bench`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from tosa_edge.cli.common import ForceFlag, JsonFlag, ProviderOption, emit, require_all, say_refused
from tosa_edge.cli.tables import print_table, unsigned_zero
from tosa_edge.console import answers, counted
from tosa_edge.errors import TosaEdgeError

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = ("tosa-edge bench", "tosa-edge bench tosa_depth_s:dense tosa_depth_s:168x224 --rounds 50")

ModelsArgument = Annotated[
    Optional[list[str]],
    typer.Argument(
        metavar="MODEL",
        help="The first is the baseline; of a folder all that fit here. Default: six of tosa_depth_s.",
    ),
]
RoundsOption = Annotated[int, typer.Option("--rounds", min=1, help="How often each model takes its turn.")]
ThreadsOption = Annotated[int, typer.Option("--threads", min=0, help="0 is one for each core.")]
ProfileFlag = Annotated[
    bool, typer.Option("--profile", help="Also show where the time goes, by operator type.")
]
ClipOption = Annotated[
    Optional[Path],
    typer.Option(
        "--clip", help="Consecutive frames with depth: time choosing tokens at every frame, and less often."
    ),
]
AgainstFlag = Annotated[
    bool, typer.Option("--against", help="Ways to save tokens side by side on one model, by --data.")
]
DataOption = Annotated[
    Optional[Path], typer.Option("--data", help="For --against: pictures, with classes for a classifier.")
]
OutOption = Annotated[Path, typer.Option("-o", "--out", help="For --against: folder for what it finds.")]
LimitOption = Annotated[
    Optional[int], typer.Option("--limit", min=2, help="For --against: so many pictures.")
]


def main(
    models: ModelsArgument = None,
    rounds: RoundsOption = 30,
    threads: ThreadsOption = 0,
    profile: ProfileFlag = False,
    provider: ProviderOption = "auto",
    clip: ClipOption = None,
    against: AgainstFlag = False,
    data: DataOption = None,
    out: OutOption = Path("against"),
    limit: LimitOption = None,
    force: ForceFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Latency and memory of models, taking turns in one run, as ratios to the first.

    MODEL@S is a model that scores every S-th query row; @1 is the paper's own setting. With --clip, a model's
    forms alternate along the clip instead, tokens chosen at every frame or at some: speed and accuracy.
    With --against, ways to save tokens stand side by side on one model: the paper's, ours, ToMe, EViT, lot.
    """
    if against and (profile or clip is not None or provider != "auto"):
        raise TosaEdgeError(
            "--against times ways of one model in ONNX Runtime on the CPU",
            "Leave --profile, --clip and --provider out.",
        )
    if not against and (data is not None or limit is not None):
        raise TosaEdgeError("--data and --limit are for --against", "Add --against, or leave them out.")
    if against:
        from tosa_edge.cli.bench_against import against as side_by_side

        return side_by_side(models or [], data, out, limit, rounds, threads, force, as_json)
    from tosa_edge.progress import bars
    from tosa_edge.verbs.bench import bench_models

    with bars("loading") as on_step:
        result = bench_models(
            models or (),
            rounds=rounds,
            threads=threads,
            profile=profile,
            provider=provider,
            clip=clip,
            on_step=on_step,
        )
    refused = result.get("refused", [])
    (_say if clip is None else _say_along)(result, answers(as_json))
    say_refused(result.get("left_out", refused))
    emit(result, as_json)
    require_all(refused)


def _say_along(result: dict[str, Any], to: Console) -> None:
    title = (
        f"{_where(result)}\n{counted(result['frames'], 'frame')} of {result['clip']} with {result['model']}; "
        "ratio: times as fast as the first"
    )
    rows = [
        (
            row["name"].replace(f"{result['model']}:", ""),
            f"{row['refreshed']:.0%}",
            f"{row['mean_ms']:.1f}",
            f"{row['ratio']:.2f}",
            f"{row['ratio_p10']:.2f}..{row['ratio_p90']:.2f}",
            f"{row['delta1']:.3f}",
            f"{unsigned_zero(row['loss'], 3):.1%}",
        )
        for row in result["rows"]
    ]
    numbers = ("refreshed", "mean ms", "ratio", "p10..p90", "δ<1.25", "loss")
    print_table(to, ("tokens chosen",), numbers, rows, title)


def _say(result: dict[str, Any], to: Console) -> None:
    where = _where(result)
    sizes = ", ".join(sorted({row["size"] for row in result["rows"]}))
    turns = counted(result["rounds"], "round")
    title = f"{where}\n{sizes}, {turns}; ratio: times as fast as {result['baseline']}"
    powered = any("power_w" in row or "temp_c" in row for row in result["rows"])
    rows = [
        (
            row["name"],
            f"{row['kept']}/{row['tokens']}",
            str(row["query_stride"] if row["group"] else "-"),
            f"{row['p50_ms']:.1f}",
            f"{row['ratio']:.2f}",
            f"{row['ratio_p10']:.2f}..{row['ratio_p90']:.2f}",
            "-" if row["peak_mb"] is None else f"{row['peak_mb']:.1f}",
            *(str(row.get(name, "-")) for name in ("power_w", "temp_c") if powered),
        )
        for row in result["rows"]
    ]
    numbers = ("kept", "stride", "p50 ms", "ratio", "p10..p90", "MB", *(("W", "°C") if powered else ()))
    print_table(to, ("model",), numbers, rows, title)
    for name, operators in result.get("profile", {}).items():
        rows = [(o["op"], str(o["nodes"]), f"{o['ms']:.2f}", f"{o['share']:.1%}") for o in operators]
        print_table(to, ("operator",), ("nodes", "ms", "share"), rows, f"{name}: where the time goes")


def _where(result: dict[str, Any]) -> str:
    """The machine, as far as any of the rows ran on it."""
    from tosa_edge.engine import ONNXRUNTIME
    from tosa_edge.engine.compatibility import TITLES

    machine, backends = result["machine"], {row["backend"] for row in result["rows"]}
    parts = [machine["gpu"]] if "gpu" in machine else []
    parts += [f"{TITLES[name]} {machine[name]}" for name in sorted(backends - {ONNXRUNTIME})]
    if ONNXRUNTIME in backends:
        used = sorted({row["provider"] for row in result["rows"]} - {None, "cpu"})
        by = f" with {', '.join(used)}" if used else ""
        threads = counted(result["threads"], "thread")
        parts += [machine["cpu"], f"{threads}, ONNX Runtime {machine['onnxruntime']}{by}"]
    modes = sorted({row["power_mode"] for row in result["rows"] if "power_mode" in row})
    return ", ".join([*map(str, parts), *(f"power mode {mode}" for mode in modes)])
