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

    from tosa_edge.backends.opening import OpenedModel

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
    str, typer.Option("--task", help="depth or classification; what the model is for, unless told.")
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
    task: TaskOption = "",
    provider: ProviderOption = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Measure depth, or classes, against ground truth; depth beside two baselines that know nothing."""
    from tosa_edge.backends.opening import open_model

    opened = open_model(model, provider=provider)
    _check_task(task, opened)
    if opened.info.classifies:
        _classes(opened, data, limit, prefix, as_json)
    else:
        _depth(opened, data, limit, prefix, fit, as_json)


def _check_task(task: str, opened: OpenedModel) -> None:
    from tosa_edge.errors import TosaEdgeError

    if task not in ("", "depth", "classification"):
        raise TosaEdgeError(f"--task {task[:40]} is not known", "Choose depth or classification.")
    if task and (task == "classification") != opened.info.classifies:
        raise TosaEdgeError(
            f"{opened.label} gives {opened.info.answer}, which is not for --task {task}",
            "Leave --task out, or name another model.",
        )


def _classes(opened: OpenedModel, data: Path, limit: int | None, prefix: str, as_json: bool) -> None:
    from tosa_edge.class_model import ClassModel
    from tosa_edge.evaluation.classes import evaluate_classes
    from tosa_edge.evaluation.labelled_pictures import open_labelled
    from tosa_edge.progress import progress

    with ClassModel(opened.backend, opened.info, opened.label) as loaded:
        refused: list[str] = []
        labelled = open_labelled(data)
        info = loaded.info
        samples = labelled.samples(info.labels, info.classes, prefix=prefix, most=limit, refused=refused)
        with progress(loaded.label, min(len(labelled), limit or len(labelled))) as step:
            found = evaluate_classes(loaded, samples, step)
    result = {
        **found,
        "model": loaded.label,
        "provider": loaded.provider,
        "data": str(data),
        "refused": refused,
    }
    numbers = [f"{result[key]:.3f}" for key in ("top1", "top5", "mean_of_classes")]
    row = (str(result["model"]), str(result["n"]), *numbers, str(result["pictures_per_s"]))
    names = ["n", "top-1", "top-5", "mean of classes", "pictures/s"]
    title = f"{result['model']} on {counted(result['n'], 'picture')} of {result['data']}"
    print_table(answers(as_json), ("model",), names, [row], title)
    say_refused(refused)
    emit(result, as_json)
    require_all(refused)


def _depth(opened: OpenedModel, data: Path, limit: int | None, prefix: str, fit: str, as_json: bool) -> None:
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
        DepthModel(opened.backend, opened.info, opened.label, fit) as loaded,
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
