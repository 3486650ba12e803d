"""`tosa-edge calibrate`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from tosa_edge.cli.common import ForceFlag, JsonFlag, emit, require_all, say_refused
from tosa_edge.cli.tables import print_table, unsigned_zero
from tosa_edge.console import console, counted, say
from tosa_edge.progress import bars

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
    from tosa_edge.verbs.calibrate import calibrate_model

    with bars() as on_step:
        result = calibrate_model(
            model,
            out,
            data=data,
            target=target,
            method=method,
            activations=activations,
            max_drop=max_drop,
            images=images,
            table=table,
            fit=fit,
            report=report,
            force=force,
            on_step=on_step,
            say=say,
        )
    _say(result, max_drop)
    emit(result, as_json)
    require_all(result["refused"])


def _say(result: dict[str, Any], budget: float | None) -> None:
    say_refused(result["refused"])
    if "costs" in result:
        _say_costs(result["costs"], result["answer"])
    images, source = result["images"], "from the cache" if result["cached"] else "measured"
    layers = counted(result["int8_layers"], "layer")
    console.print(
        f"{layers} in INT8; ranges ({result['method']}) {source} on {counted(images, 'picture')}"
        if images
        else f"{layers} in INT8; ranges imported"
    )
    if "agreement" in result:
        agreement, groups = result["agreement"], result["higher"]["groups"]
        if groups:
            console.print(f"kept in float for --max-drop {budget:g}: {', '.join(groups)}")
        tokens = f", same kept tokens {agreement['kept']:.1%}" if result["selects"] else ""
        depth = result["answer"] == "depth"
        share, error = ("delta1", "absrel") if depth else ("share", "error")
        console.print(
            f"against float32 on those pictures: {'delta1' if depth else 'probability alike'} "
            f"{agreement[share]:.4f}, mean difference of {result['answer']} {agreement[error]:.2%}{tokens}"
        )
        console.print("that is agreement, not accuracy: `tosa-edge evaluate` measures accuracy")
    say(f"wrote {result['model']}   next: tosa-edge bench MODEL {result['model']}")


def _say_costs(costs: list[dict[str, Any]], answer: str) -> None:
    depth = answer == "depth"
    rows = [
        (
            cost["group"],
            str(cost["layers"]),
            f"{cost['share']:.1%}",
            f"{unsigned_zero(cost['absrel' if depth else 'error'], 5):+.3%}",
            f"{unsigned_zero(cost['drop'], 4):+.4f}",
        )
        for cost in costs
    ]
    numbers = ("layers", "share of weights", f"{answer} error", f"{'delta1' if depth else 'agreement'} lost")
    title = "what INT8 costs, group by group, against the group in float"
    print_table(console, ("group",), numbers, rows, title)
