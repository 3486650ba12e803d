"""`tosa-edge bench`"""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from tosa_edge.cli.common import JsonFlag, console, emit

ModelsArgument = Annotated[
    Optional[list[str]],
    typer.Argument(
        metavar="MODEL", help="The first is the baseline. Default: the bundled dense, g1, g3 and g1@1."
    ),
]
RoundsOption = Annotated[int, typer.Option("--rounds", min=1, help="How often each model takes its turn.")]
ThreadsOption = Annotated[int, typer.Option("--threads", min=0, help="0 is one for each core.")]
ProfileFlag = Annotated[
    bool, typer.Option("--profile", help="Also show where the time goes, by operator type.")
]


def main(
    models: ModelsArgument = None,
    rounds: RoundsOption = 30,
    threads: ThreadsOption = 0,
    profile: ProfileFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Latency and memory of models, taking turns in one run, as ratios to the first.

    MODEL@S is a model that scores every S-th query row; @1 is the paper's own setting.
    """
    from tosa_edge.bench.variants import bench, graph_of
    from tosa_edge.cli.progress import progress
    from tosa_edge.model import DEFAULT_MODEL

    specs = models or [f"{DEFAULT_MODEL}:{variant}" for variant in ("dense", "g1", "g3", "g1@1")]
    with progress("bench", rounds, "rounds") as step:
        result: dict[str, Any] = bench(specs, rounds, threads, step)
    if profile:
        from tosa_edge.bench.profile import profile as by_operator

        result["profile"] = {
            row["name"]: by_operator(graph_of(s), threads)
            for row, s in zip(result["rows"], specs, strict=True)
        }
    _say(result)
    emit(result, as_json)


def _say(result: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table

    host = result["machine"]
    where = f"{host['cpu']}, {result['threads']} threads, ONNX Runtime {host['onnxruntime']}"
    sizes = ", ".join(sorted({row["size"] for row in result["rows"]}))
    title = f"{where}\n{sizes}, {result['rounds']} rounds; ratio: times as fast as {result['baseline']}"
    table = Table(box=box.SIMPLE_HEAD, title=title)
    for heading in ("model", "kept", "stride", "p50 ms", "ratio", "p10..p90", "MB"):
        table.add_column(heading, justify="left" if heading == "model" else "right", no_wrap=True)
    for row in result["rows"]:
        table.add_row(
            row["name"],
            f"{row['kept']}/{row['tokens']}",
            str(row["query_stride"] if row["group"] else "-"),
            f"{row['p50_ms']:.1f}",
            f"{row['ratio']:.2f}",
            f"{row['ratio_p10']:.2f}..{row['ratio_p90']:.2f}",
            "-" if row["peak_mb"] is None else f"{row['peak_mb']:.1f}",
        )
    console.print(table)
    for name, operators in result.get("profile", {}).items():
        part = Table(title=f"{name}: where the time goes")
        for heading in ("operator", "nodes", "ms", "share"):
            part.add_column(heading, justify="left" if heading == "operator" else "right")
        for line in operators:
            part.add_row(line["op"], str(line["nodes"]), f"{line['ms']:.2f}", f"{line['share']:.1%}")
        console.print(part)
