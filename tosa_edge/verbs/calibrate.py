"""`tosa-edge calibrate` as a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.errors import TosaEdgeError
from tosa_edge.verbs.arguments import StrPath, as_path, check_between, ignore

if TYPE_CHECKING:
    from tosa_edge.calibration import Calibrated
    from tosa_edge.calibration.agreement import Agreement
    from tosa_edge.calibration.sensitivity import Cost
    from tosa_edge.graph import LoadedGraph
    from tosa_edge.graph_info import GraphInfo
    from tosa_edge.progress import OnStep


def calibrate_model(
    model: StrPath,
    out: StrPath,
    *,
    data: StrPath | None = None,
    target: str = "cpu",
    method: str = "minmax",
    activations: str = "symmetric",
    max_drop: float | None = None,
    images: int = 128,
    table: StrPath | None = None,
    fit: str = "letterbox",
    report: bool = False,
    force: bool = False,
    on_step: OnStep = ignore,
    say: Callable[[str], None] = ignore,
) -> dict[str, Any]:
    """A float model and pictures to an INT8 model.

    Args:
        model: a float model: a bundled name, a model folder or an `.onnx` file.
        out: the `.onnx` file to write, or a folder for it; the table of ranges lies beside it.
        data: a folder of pictures and its folders, a video, or a data set: no labels are needed.
        target: cpu: ONNX Runtime's form. gpu: float16 around INT8, for TensorRT and TensorRT-RTX.
        method: minmax, percentile or entropy.
        activations: symmetric, or for CPUs unsigned: faster there.
        max_drop: what costs most stays in float, until this share of delta1 is lost at most.
        images: at most this many pictures, evenly spread.
        table: ranges that were measured before, in place of pictures: ours, or a TensorRT cache.
        fit: how pictures fit the model: letterbox, stretch or crop.
        report: also find out what each block and each kind of layer costs.
        force: replace what is there already.

    Returns:
        `model` and `table` (paths), `images`, `method`, `activations`, `cached`, `int8_layers`, `for`,
        `selects`, `answer` (depth or logits) and `refused`. Where pictures were given, `agreement` with the
        float32 model on them, which is no accuracy, and `higher`, what was kept in float; with `report` also
        `costs`. Of a classifier their figures are `share` and `error`, of depth `delta1` and `absrel`.

    Example:
        >>> done = calibrate_model("tosa_depth_s:g3", "g3.int8.onnx", data="photos")
        >>> done["agreement"]["delta1"]
    """
    from tosa_edge.atomic_files import atomic_path
    from tosa_edge.calibration import Settings, calibrate
    from tosa_edge.find_model import files_of, find_graph, label_of
    from tosa_edge.output_paths import refuse_overwrites

    check_between("--images", images, 1)
    spec, place, pictures, ranges = str(model), Path(out), as_path(data), as_path(table)
    if place.is_dir():
        place /= f"{label_of(find_graph(spec)).replace(':', '-').removesuffix('.fp16')}.int8.{target}.onnx"
    elif place.suffix != ".onnx":
        raise TosaEdgeError(f"{place} is not the name of an ONNX file", "Write it as -o NAME.onnx.")
    beside = place.with_suffix(".table.json")
    read = [*files_of(_source_for(target, spec)), *(path for path in (pictures, ranges) if path)]
    refuse_overwrites([place, beside], read, force=force, say=say)
    graph = _graph_for(target, spec)
    settings = Settings(
        method, activations, images, max_drop, report, compare=pictures is not None, table=ranges, fit=fit
    )
    # Both places are claimed before the work, and filled after it.
    with atomic_path(place) as model_path, atomic_path(beside) as table_path:
        done = calibrate(graph, pictures, settings, on_step)
        model_path.write_bytes(done.model.SerializeToString())
        table_path.write_text(done.table.to_json())
    about = {"model": str(place), "table": str(beside), "activations": activations, "for": target}
    return {**about, **_found(done, graph.info), "selects": graph.info.selects, "answer": graph.info.answer}


def _source_for(target: str, model: str) -> str:
    from tosa_edge.engine.build_source import find_source

    return str(find_source(model, "int8", half_rest=True)) if target == "gpu" else model


def _graph_for(target: str, model: str) -> LoadedGraph:
    """The float graph that one target's INT8 is made from: GPUs mix it with half, CPUs with float32."""
    from tosa_edge.engine.load import load_graph

    if target not in ("cpu", "gpu"):
        raise TosaEdgeError(f"--for {target} is not known", "Choose cpu or gpu.")
    gpu = target == "gpu"
    graph = load_graph(_source_for(target, model))
    if gpu and graph.info.precision == "fp32":
        raise TosaEdgeError(
            f"--for gpu starts from float16, and there is no fp16 graph beside {graph.label}",
            "Export one: tosa-edge export CKPT -o NAME.fp16.onnx --precision fp16.",
        )
    if not gpu and graph.info.precision == "fp16":
        raise TosaEdgeError(
            f"{graph.label} is fp16, and INT8 for CPUs starts from float32",
            "Add --for gpu, or give the same MODEL without `.fp16`.",
        )
    return graph


def _found(done: Calibrated, info: GraphInfo) -> dict[str, Any]:
    result: dict[str, Any] = {
        "images": done.table.images,
        "method": done.table.method,
        "cached": done.cached,
        "int8_layers": done.layers,
        "refused": done.refused,
    }
    if done.kept:
        names = {} if info.classifies else {"share": "delta1", "error": "absrel"}
        result["agreement"] = _named(done.kept.agreement, names)
        result["higher"] = {"groups": list(done.kept.groups), "layers": list(done.kept.layers)}
    if done.costs:
        names = {} if info.classifies else {"error": "absrel"}
        result["costs"] = [_named(cost, names) for cost in done.costs]
    return result


def _named(found: Agreement | Cost, names: dict[str, str]) -> dict[str, Any]:
    """Under the names that the figures of depth have."""
    return {names.get(key, key): value for key, value in asdict(found).items()}
