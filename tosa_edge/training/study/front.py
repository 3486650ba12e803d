"""Time and loss of everything on one picture: `python -m tosa_edge.training.study.front --help`.

Losses are of a study, over all frames; times are of one `tosa-edge bench --json`, whose first row is dense.

    tosa-edge bench tosa_depth_s:dense tosa_depth_s:fast ToMe.onnx --json > bench.json
    python -m tosa_edge.training.study.front --scores study.json --bench bench.json \\
        --point "fast=224x308 windows=0.2,0.4:3-11" --point "ToMe=ToMe at g3@0.5" -o front.svg
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tosa_edge.atomic_files import write_bytes
from tosa_edge.errors import TosaEdgeError, exit_code_of
from tosa_edge.files import read_bytes
from tosa_edge.training.study.results import Results
from tosa_edge.training.study.tables import Report
from tosa_edge.tuning.chart import chart
from tosa_edge.tuning.front import Point, front


def main(arguments: list[str] | None = None) -> int:
    parse = argparse.ArgumentParser(
        prog="python -m tosa_edge.training.study.front",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parse.add_argument("--scores", type=Path, required=True, help="the JSON that a study wrote")
    parse.add_argument("--bench", type=Path, required=True, help="what tosa-edge bench --json printed")
    point = "as timed, with or without the model's name, and the row of the study that it is"
    parse.add_argument("--point", action="append", required=True, metavar="NAME=VARIANT", help=point)
    parse.add_argument("-o", "--out", type=Path, required=True, help="the picture, SVG")
    args = parse.parse_args(arguments)
    return exit_code_of(lambda: draw(args.scores, args.bench, args.point, args.out))


def draw(scores: Path, bench: Path, named: list[str], out: Path) -> None:
    results = Results.open(scores)
    if not results.weights:
        raise TosaEdgeError(f"{scores} holds no scores", "Give the JSON beside a study's table.")
    label = next(iter(results.weights))
    report, sets = Report(results, [], "", frozenset()), list(results.sets)
    timed, title = read_bench(bench)
    points = [Point("dense", 0.0, None, 1.0, 0.0)]
    for text in named:
        name, _, variant = text.partition("=")
        loss = report.loss(label, variant, sets) if variant in results.weights[label]["variants"] else None
        if loss is None:
            raise TosaEdgeError(f"the study has no row {variant!r}", "Name one as its table does.")
        if name not in timed:
            raise TosaEdgeError(f"{bench} has no row {name!r}", f"It has: {', '.join(timed)}.")
        points.append(Point(name, max(0.0, loss.percent / 100), None, *timed[name]))
    write_bytes(out, chart(points, front(points), title).encode())
    print(f"wrote {out}")


def read_bench(path: Path) -> tuple[dict[str, tuple[float, float]], str]:
    """Ratio and median by the name of the variant or file, and where it was timed."""
    try:
        found: dict[str, Any] = json.loads(read_bytes(path))
        rows = {
            str(row["name"]).rpartition(":")[2]: (float(row["ratio"]), float(row["p50_ms"]))
            for row in found["rows"]
        }
        machine = found["machine"]
        return rows, f"{machine['cpu']}, {machine['cores']} cores, ONNX Runtime, float32"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TosaEdgeError(
            f"{path} is not what bench printed: {error!r}", "Make it with: tosa-edge bench ... --json."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
