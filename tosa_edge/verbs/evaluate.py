"""`tosa-edge evaluate` as a function."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.errors import TosaEdgeError
from tosa_edge.verbs.arguments import StrPath, check_between, ignore

if TYPE_CHECKING:
    from tosa_edge.backends.opening import OpenedModel
    from tosa_edge.progress import OnStep


def evaluate_model(
    model: StrPath,
    data: StrPath,
    *,
    limit: int | None = None,
    prefix: str = "",
    fit: str = "letterbox",
    task: str = "",
    provider: str = "auto",
    on_step: OnStep = ignore,
) -> dict[str, Any]:
    """Measures depth against ground truth, beside two baselines that know nothing; or classes against labels.

    Args:
        model: a bundled name, a model folder, an `.onnx` file or an engine.
        data: pictures with depth: NAME.jpg with NAME.png (16-bit, millimetres), or `rgb/` and `depth/`. With
            classes: CLASS/NAME.jpg, or ImageNet's validation archive with its devkit.
        limit: only the first frames; of classes so many pictures, evenly spread.
        prefix: only frames whose name begins with this.
        fit: how pictures fit a depth model: letterbox, stretch or crop.
        task: depth or classification: what the model has to be for. None given: whatever it is for.
        provider: what computes for ONNX Runtime: auto, cpu, cuda, tensorrt or rtx.

    Returns:
        `absrel`, `rmse` (metres), `delta1`, `delta2` and `delta3`: means over `n` frames; `baselines` and
        `groups` with the same; `alignment`, `range_m`, `crop`, `model`, `provider`, `data`; and `refused`,
        frames that were left out, with reasons. Of classes `top1`, `top5` and `mean_of_classes` over `n`
        pictures, and `pictures_per_s`.

    Example:
        >>> evaluate_model("tosa_depth_s", "frames")["delta1"]
    """
    from tosa_edge.backends.opening import open_model

    check_between("--limit", limit, 1)
    if task not in ("", "depth", "classification"):
        raise TosaEdgeError(f"--task {task[:40]} is not known", "Choose depth or classification.")
    opened = open_model(str(model), provider=provider)
    if task and (task == "classification") != opened.info.classifies:
        raise TosaEdgeError(
            f"{opened.label} gives {opened.info.answer}, which is not for --task {task}",
            "Leave --task out, or name another model.",
        )
    if opened.info.classifies:
        return _classes(opened, Path(data), limit, prefix, on_step)
    return _depth(opened, Path(data), limit, prefix, fit, on_step)


def _classes(
    opened: OpenedModel, data: Path, limit: int | None, prefix: str, on_step: OnStep
) -> dict[str, Any]:
    from tosa_edge.class_model import ClassModel
    from tosa_edge.evaluation.classes import evaluate_classes
    from tosa_edge.evaluation.labelled_pictures import open_labelled

    labelled, info, refused = open_labelled(data), opened.info, list[str]()
    most = min(len(labelled), limit or len(labelled))
    samples = labelled.samples(info.labels, info.classes, prefix=prefix, most=limit, refused=refused)
    with ClassModel(opened.backend, info, opened.label) as loaded:
        scores = evaluate_classes(
            loaded, samples, lambda index: on_step("evaluating", min(index + 1, most), most)
        )
        about = {"model": loaded.label, "provider": loaded.provider}
    return {**scores, **about, "data": str(data), "refused": refused}


def _depth(
    opened: OpenedModel, data: Path, limit: int | None, prefix: str, fit: str, on_step: OnStep
) -> dict[str, Any]:
    from tosa_edge.depth_model import DepthModel
    from tosa_edge.evaluation.depth_data import find_pairs, read_samples
    from tosa_edge.evaluation.evaluate import evaluate

    pairs = [p for p in find_pairs(data) if p[0].stem.startswith(prefix)][:limit]
    if not pairs:
        raise TosaEdgeError(
            f"no frame of {data} begins with {prefix!r}", "Leave --prefix out to take all of them."
        )
    refused: list[str] = []
    with DepthModel(opened.backend, opened.info, opened.label, fit) as loaded:
        scores = evaluate(
            loaded,
            read_samples(pairs, refused),
            lambda index: on_step("evaluating", index + 1, len(pairs)),
            refused,
        )
        about = {"model": loaded.label, "provider": loaded.provider}
    return {**scores, **about, "data": str(data), "refused": refused}
