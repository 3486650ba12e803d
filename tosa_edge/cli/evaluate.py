"""`tosa-edge evaluate`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from tosa_edge.cli.common import JsonFlag, ProviderOption, emit, require_all, say_refused
from tosa_edge.cli.tables import Row, print_table
from tosa_edge.console import answers, counted, say
from tosa_edge.find_model import DEFAULT_MODEL

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = (
    "tosa-edge evaluate tosa_depth_s --data frames",
    "tosa-edge evaluate tosa_depth_s:168x224 --data frames --limit 20",
)

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="A bundled name, a model folder or an .onnx file.")
]
DataOption = Annotated[
    Path,
    typer.Option(
        "--data",
        help="Pictures with depth: NAME.jpg + NAME.png (16-bit, mm), or rgb/ and depth/. With classes: "
        "CLASS/NAME.jpg, or ImageNet's validation archive.",
    ),
]
TaskOption = Annotated[
    str, typer.Option("--task", help="depth or classification: what the model has to be for.")
]
LimitOption = Annotated[
    Optional[int], typer.Option("--limit", min=1, help="Only the first frames; of classes, evenly spread.")
]
PrefixOption = Annotated[str, typer.Option("--prefix", help="Only frames whose name begins with this.")]
FitOption = Annotated[str, typer.Option("--fit", help="letterbox, stretch or crop.")]


def main(
    model: ModelArgument = DEFAULT_MODEL,
    data: DataOption = ...,  # type: ignore[assignment]
    limit: LimitOption = None,
    prefix: PrefixOption = "",
    fit: FitOption = "letterbox",
    task: TaskOption = "",
    provider: ProviderOption = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Measure depth, or classes, against ground truth; depth beside two baselines that know nothing."""
    from tosa_edge.progress import bars
    from tosa_edge.verbs.evaluate import evaluate_model

    with bars(f"loading {model}") as on_step:
        result = evaluate_model(
            model, data, limit=limit, prefix=prefix, fit=fit, task=task, provider=provider, on_step=on_step
        )
    (_say if "delta1" in result else _say_classes)(result, answers(as_json))
    say_refused(result["refused"])
    emit(result, as_json)
    require_all(result["refused"])


def _say_classes(result: dict[str, Any], to: Console) -> None:
    shares = [f"{result[key]:.3f}" for key in ("top1", "top5", "mean_of_classes")]
    row = (str(result["model"]), str(result["n"]), *shares, str(result["pictures_per_s"]))
    numbers = ["n", "top-1", "top-5", "mean of classes", "pictures/s"]
    title = f"{result['model']} on {counted(result['n'], 'picture')} of {result['data']}"
    print_table(to, ("model",), numbers, [row], title)


def _say(result: dict[str, Any], to: Console) -> None:
    near, far = result["range_m"]
    groups = result["groups"] if len(result["groups"]) > 1 else {}
    rows: list[Row] = []
    for name, part in [*groups.items(), ("all", result)]:
        for by, scores in [(result["model"], part), *part["baselines"].items()]:
            numbers = [f"{scores[key]:.3f}" for key in ("absrel", "rmse", "delta1", "delta2", "delta3")]
            first = by == result["model"]
            rows.append((name if first else "", by, str(part["n"]) if first else "", *numbers))
        rows.append(None)
    numbers = ["n", "AbsRel", "RMSE m", "δ<1.25", "δ<1.25²", "δ<1.25³"]
    title = f"{result['model']} on {counted(result['n'], 'frame')} of {result['data']}"
    print_table(to, ("frames", "depth by"), numbers, rows, title)
    say(f"depth within {near}..{far} m, Eigen's crop of the border; alignment: {result['alignment']}")
