"""`tosa-edge export`"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from tosa_edge.cli.common import JsonFlag, console, emit
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.model import DEFAULT_SPREAD, find_checkpoint


def main(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CKPT", help="A .safetensors file, or a bundled model's name.")
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="FILE.onnx: one graph. FOLDER: all variants over one weights file."),
    ],
    size: Annotated[str, typer.Option(help="Height x width of the pictures, as in 252x336.")] = "",
    smaller: Annotated[
        str, typer.Option(help="A folder gets dense graphs of these sizes too, as in 168x224,126x168.")
    ] = "",
    batch: Annotated[int, typer.Option(help="Pictures per run, fixed in the graph.")] = 1,
    dense: Annotated[bool, typer.Option("--dense", help="No selective layers.")] = False,
    keep: Annotated[float, typer.Option(help="Share of the tokens that selective layers see.")] = 0.5,
    query_stride: Annotated[
        int, typer.Option(help="Score every s-th query row; 1 is the paper's selector.")
    ] = 8,
    group: Annotated[
        int, typer.Option(help="Selective layers served by one selection; 1 is the paper's pairing.")
    ] = 1,
    selector: Annotated[str, typer.Option(help="learned, or previous: training-free.")] = "learned",
    spread: Annotated[
        float, typer.Option(help="How evenly the kept tokens lie; 0 is the paper's choice.")
    ] = DEFAULT_SPREAD,
    form: Annotated[
        str, typer.Option(help="portable (runs anywhere), plugin (TensorRT), reuse (given tokens).")
    ] = "portable",
    precision: Annotated[str, typer.Option(help="fp32 or fp16.")] = "fp32",
    as_json: JsonFlag = False,
) -> None:
    """A checkpoint to ONNX, dense or token-selective: one file, or a model folder."""
    path = find_checkpoint(checkpoint)
    wanted = parse_size(size, "--size")
    others = tuple(s for part in smaller.split(",") if (s := parse_size(part.strip(), "--smaller")))
    with needs_export_extra("exporting"):
        from tosa_edge.export.folder import check_options, export_file, export_folder, standard_patterns
        from tosa_edge.nn.tosa import Pattern, grouped
        from tosa_edge.nn.weights import read_checkpoint

    _, config = read_checkpoint(path)
    layers = config.layers if config else 12
    if group < 1 or group >= layers:
        raise TosaEdgeError(f"--group {group} is not possible", f"Choose 1 to {layers - 1}.")
    pattern = Pattern() if dense else Pattern(grouped(layers, group), keep, query_stride, selector, spread)
    check_options(pattern, batch=batch, form=form, precision=precision)
    one_file = out.suffix == ".onnx"
    if one_file and others:
        raise TosaEdgeError(
            f"--smaller is for model folders, and {out} is one graph", "Give -o FOLDER, or one --size."
        )
    if not one_file and form == "plugin":
        raise TosaEdgeError(
            "a model folder holds portable graphs", "Write the plugin form to a file: -o NAME.onnx."
        )
    with console.status(f"tracing {out.name}") as status:
        if one_file:
            infos = [
                export_file(path, out, pattern, form=form, precision=precision, size=wanted, batch=batch)
            ]
        else:
            standard = standard_patterns(layers, keep, query_stride, selector, spread)
            infos = export_folder(
                path,
                out,
                {"dense": pattern} if dense else standard,
                precisions=("fp32",) if precision == "fp32" else ("fp32", "fp16"),
                smaller=others,
                progress=lambda name: status.update(f"tracing {name}"),
                size=wanted,
                batch=batch,
            )
    for i in infos:
        what = "dense" if i.dense else f"{i.kept} of {i.tokens} tokens, {len(i.selections)} selections"
        console.print(f"{i.form} {i.precision} {i.height}x{i.width} batch {i.batch}: {what}")
    console.print(f"wrote [bold]{out}[/]   next: tosa-edge inspect {out}")
    info = next((i for i in infos if i.group == group and i.form == form), infos[0])
    result = {"model": str(out), "form": info.form, "size": [info.height, info.width], "tokens": info.tokens}
    emit({**result, "kept": info.kept, "selections": list(info.selections)}, as_json)


@contextmanager
def needs_export_extra(doing: str) -> Iterator[None]:
    """Imports within that fail for want of a package are told with the extra that brings it."""
    try:
        yield
    except ImportError as error:
        raise MachineLacks(
            f"{doing} needs the package {error.name}", "Install it: pip install 'tosa-edge[export]'."
        ) from None


def parse_size(text: str, flag: str) -> tuple[int, int] | None:
    """`252x336` to (252, 336); nothing to None."""
    if not text:
        return None
    height, _, width = text.lower().partition("x")
    if not (height.isdigit() and width.isdigit()):
        raise TosaEdgeError(f"{flag} {text} is not HEIGHTxWIDTH", "Write it like 252x336.")
    return int(height), int(width)
