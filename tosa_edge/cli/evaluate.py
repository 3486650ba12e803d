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
    typer.Option("--data", help="Pictures with depth: NAME.jpg + NAME.png (16-bit, mm), or rgb/ and depth/."),
]
LimitOption = Annotated[Optional[int], typer.Option("--limit", min=1, help="Only the first frames.")]
PrefixOption = Annotated[str, typer.Option("--prefix", help="Only frames whose name begins with this.")]
FitOption = Annotated[str, typer.Option("--fit", help="letterbox, stretch or crop.")]


def main(
    model: ModelArgument = DEFAULT_MODEL,
    data: DataOption = ...,  # type: ignore[assignment]
    limit: LimitOption = None,
    prefix: PrefixOption = "",
    fit: FitOption = "letterbox",
    provider: ProviderOption = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Measure depth against ground truth, beside two baselines that know nothing."""
    from tosa_edge.depth_model import DepthModel
    from tosa_edge.errors import TosaEdgeError
    from tosa_edge.evaluation.depth_data import find_pairs, read_samples
    from tosa_edge.evaluation.evaluate import evaluate
    from tosa_edge.progress import progress

    pairs = [p for p in find_pairs(data) if p[0].stem.startswith(prefix)][:limit]
    if not pairs:
        raise TosaEdgeError(
            f"no frame of {data} begins with {prefix!r}", "Leave --prefix out to take all of them."
        )
    refused: list[str] = []
    with (
        DepthModel.load(model, fit=fit, provider=provider) as loaded,
        progress(loaded.label, len(pairs)) as step,
    ):
        result = {
            **evaluate(loaded, read_samples(pairs, refused), step, refused),
            "model": loaded.label,
            "provider": loaded.provider,
            "data": str(data),
            "refused": refused,
        }
    _say(result, answers(as_json))
    say_refused(refused)
    emit(result, as_json)
    require_all(refused)


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
