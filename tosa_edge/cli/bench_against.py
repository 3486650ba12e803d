"""`tosa-edge bench --against`: ways to save tokens side by side on one model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tosa_edge.cli.common import emit, require_all, say_refused
from tosa_edge.cli.tables import print_table, unsigned_zero
from tosa_edge.console import answers, counted, say
from tosa_edge.errors import TosaEdgeError


def against(
    models: list[str],
    data: Path | None,
    out: Path,
    limit: int | None,
    rounds: int,
    threads: int,
    force: bool,
    as_json: bool,
) -> None:
    """One model, and pictures to judge by: with classes for a classifier, of any kind for depth."""
    from tosa_edge.progress import bars
    from tosa_edge.verbs.compare import CHART, TABLE, compare_ways

    if len(models) != 1 or data is None:
        raise TosaEdgeError(
            "--against compares ways on one model, by pictures", "Name the model, and --data DIR."
        )
    with bars("dense") as on_step:
        result = compare_ways(
            models[0],
            data,
            out,
            limit=limit,
            rounds=rounds,
            threads=threads,
            force=force,
            on_step=on_step,
        )
    _say(result, as_json)
    say(f"wrote {out / TABLE} and {out / CHART}")
    say_refused(result["refused"])
    emit(result, as_json)
    require_all(result["refused"])


def _say(result: dict[str, Any], as_json: bool) -> None:
    rows = [
        (
            f"{row['name']}{' *' * row['best']}",
            f"{row['p50_ms']:.1f}",
            f"{row['ratio']:.2f}",
            f"{unsigned_zero(row['loss'], 4):.2%}",
            "-" if row["within"] is None else f"{row['within']:.2%}",
        )
        for row in sorted(result["rows"], key=lambda row: row["ratio"])
    ]
    dense = "dense" if result["top1"] is None else f"dense's top-1, {result['top1']:.3f}"
    title = (
        f"{result['model']} on {counted(result['pictures'], 'picture')}; lost of {dense}; *: nothing beats it"
    )
    print_table(answers(as_json), ("way",), ("p50 ms", "ratio", "lost", "±"), rows, title)
