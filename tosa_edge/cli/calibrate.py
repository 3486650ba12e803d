"""`tosa-edge calibrate`"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from tosa_edge.cli.common import ForceFlag, JsonFlag, emit, require_all, say_refused
from tosa_edge.cli.tables import print_table, unsigned_zero
from tosa_edge.console import console, counted, say
from tosa_edge.errors import TosaEdgeError
from tosa_edge.progress import bars

if TYPE_CHECKING:
    from tosa_edge.calibration import Calibrated
    from tosa_edge.calibration.agreement import Agreement
    from tosa_edge.calibration.sensitivity import Cost
    from tosa_edge.graph import LoadedGraph
    from tosa_edge.graph_info import GraphInfo

EXAMPLES = (
    "tosa-edge calibrate tosa_depth_s:g3 --data photos -o g3.int8.onnx",
    "tosa-edge calibrate tosa_depth_s --data drive.mp4 -o g1.int8.onnx --report",
)


def main(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A float model: a bundled name, a folder, a file."),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="FILE.onnx, or a folder; its table lies beside.")],
    data: Annotated[
        Optional[Path],
        typer.Option("--data", help="A folder of pictures and its folders, a video, a data set: no labels."),
    ] = None,
    target: Annotated[
        str,
        typer.Option(
            "--for", help="cpu: ONNX Runtime's form. gpu: float16 around INT8, for TensorRT and TensorRT-RTX."
        ),
    ] = "cpu",
    method: Annotated[str, typer.Option(help="minmax, percentile or entropy.")] = "minmax",
    activations: Annotated[
        str, typer.Option(help="symmetric, or for CPUs unsigned: faster there.")
    ] = "symmetric",
    max_drop: Annotated[
        Optional[float],
        typer.Option(help="Keep in float what costs most, until this share of delta1 is lost at most."),
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Use this many pictures, evenly spread.")] = 128,
    table: Annotated[
        Optional[Path],
        typer.Option("--table", help="Ranges measured before, instead: ours, or a TensorRT cache."),
    ] = None,
    fit: Annotated[str, typer.Option("--fit", help="letterbox, stretch or crop.")] = "letterbox",
    report: Annotated[
        bool, typer.Option("--report", help="Also show what each block and each kind of layer costs.")
    ] = False,
    force: ForceFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """A float model and pictures to an INT8 model.

    --max-drop and --report are measured on the calibration pictures, which have no labels: as the share of
    pixels whose depth is within a factor of 1.25 of the float32 model's. `tosa-edge evaluate` measures
    accuracy.
    """
    from tosa_edge.atomic_files import atomic_path
    from tosa_edge.calibration import Settings, calibrate
    from tosa_edge.find_model import files_of, find_graph, label_of
    from tosa_edge.output_paths import refuse_overwrites

    if out.is_dir():
        out /= f"{label_of(find_graph(model)).replace(':', '-').removesuffix('.fp16')}.int8.{target}.onnx"
    elif out.suffix != ".onnx":
        raise TosaEdgeError(f"{out} is not the name of an ONNX file", "Write it as -o NAME.onnx.")
    beside = out.with_suffix(".table.json")
    read = [*files_of(_source_for(target, model)), *(path for path in (data, table) if path)]
    refuse_overwrites([out, beside], read, force=force, say=say)
    graph = _graph_for(target, model)
    settings = Settings(
        method, activations, images, max_drop, report, compare=data is not None, table=table, fit=fit
    )
    # Both places are claimed before the work, and filled after it.
    with atomic_path(out) as model_path, atomic_path(beside) as table_path:
        with bars() as on_step:
            done = calibrate(graph, data, settings, on_step)
        model_path.write_bytes(done.model.SerializeToString())
        table_path.write_text(done.table.to_json())
    _say(done, out, settings.max_drop, graph.info)
    emit({**_result(done, out, beside, activations, graph.info), "for": target}, as_json)
    require_all(done.refused)


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


def _result(done: Calibrated, out: Path, table: Path, activations: str, info: GraphInfo) -> dict[str, Any]:
    result: dict[str, Any] = {
        "model": str(out),
        "images": done.table.images,
        "table": str(table),
        "method": done.table.method,
        "activations": activations,
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


def _say(done: Calibrated, out: Path, budget: float | None, info: GraphInfo) -> None:
    say_refused(done.refused)
    if done.costs:
        _say_costs(done, info)
    table = done.table
    layers, source = counted(done.layers, "layer"), "from the cache" if done.cached else "measured"
    console.print(
        f"{layers} in INT8; ranges ({table.method}) {source} on {counted(table.images, 'picture')}"
        if table.images
        else f"{layers} in INT8; ranges imported"
    )
    if done.kept:
        kept = done.kept
        if kept.groups:
            console.print(f"kept in float for --max-drop {budget:g}: {', '.join(kept.groups)}")
        tokens = f", same kept tokens {kept.agreement.kept:.1%}" if info.selects else ""
        share, what = ("probability alike", "logits") if info.classifies else ("delta1", "depth")
        console.print(
            f"against float32 on those pictures: {share} {kept.agreement.share:.4f}, mean difference "
            f"of {what} {kept.agreement.error:.2%}{tokens}"
        )
        console.print("that is agreement, not accuracy: `tosa-edge evaluate` measures accuracy")
    say(f"wrote {out}   next: tosa-edge bench MODEL {out}")


def _say_costs(done: Calibrated, info: GraphInfo) -> None:
    rows = [
        (
            cost.group,
            str(cost.layers),
            f"{cost.share:.1%}",
            f"{unsigned_zero(cost.error, 5):+.3%}",
            f"{unsigned_zero(cost.drop, 4):+.4f}",
        )
        for cost in done.costs
    ]
    lost = "agreement lost" if info.classifies else "delta1 lost"
    numbers = ("layers", "share of weights", f"{info.answer} error", lost)
    title = "what INT8 costs, group by group, against the group in float"
    print_table(console, ("group",), numbers, rows, title)
