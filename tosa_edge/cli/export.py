"""`tosa-edge export`"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from tosa_edge.cli.common import ForceFlag, JsonFlag, emit
from tosa_edge.cli.sizes import parse_size, parse_sizes
from tosa_edge.console import console, counted, say
from tosa_edge.errors import TosaEdgeError
from tosa_edge.find_model import DEFAULT_SPREAD

EXAMPLES = (
    "tosa-edge export tosa_depth_s:g3 -o g3.onnx",
    "tosa-edge export depth_anything_v2_vits.pth -o dav2 --size 518x518",
)

CheckpointArgument = Annotated[
    str,
    typer.Argument(
        metavar="CKPT",
        help="A .safetensors or .pth file, a model folder, a bundled name; or NAME:VARIANT, that graph.",
    ),
]
OutOption = Annotated[
    Path,
    typer.Option("-o", "--out", help="FILE.onnx: one graph. FOLDER: all variants over one weights file."),
]
SizeOption = Annotated[str, typer.Option(help="Height x width of the pictures, as in 252x336.")]
SmallerOption = Annotated[
    str, typer.Option(help="A folder gets dense graphs of these sizes too, as in 168x224,126x168.")
]
VariantOption = Annotated[
    Optional[list[str]],
    typer.Option(
        help="A folder gets this one too, NAME=[HxW] [WAYS], as in 'fast=224x308 windows=0.2,0.4:3-11'."
    ),
]
DefaultOption = Annotated[str, typer.Option(help="The variant that the folder's name alone means.")]
BatchOption = Annotated[int, typer.Option(help="Pictures per run, fixed in the graph.")]
DenseFlag = Annotated[bool, typer.Option("--dense", help="No selective layers.")]
KeepOption = Annotated[float, typer.Option(help="Share of the tokens that selective layers see.")]
StrideOption = Annotated[int, typer.Option(help="Score every s-th query row; 1 is the paper's selector.")]
GroupOption = Annotated[
    int, typer.Option(help="Selective layers served by one selection; 1 is the paper's pairing.")
]
SelectorOption = Annotated[
    str, typer.Option(help="learned, where the model has trained ones; previous: training-free; lot.")
]
SpreadOption = Annotated[float, typer.Option(help="How evenly the kept tokens lie; 0 is the paper's choice.")]
WaysOption = Annotated[
    str,
    typer.Option(help="One row for several tokens, as in windows=0.2,0.4:3-11 (docs/represented.md)."),
]
FamilyOption = Annotated[
    str,
    typer.Option(help="Whose CKPT is: depth-anything-v1, depth-anything-v2, distill-any-depth."),
]
MaxDepthOption = Annotated[
    Optional[float],
    typer.Option(help="CKPT gives metres up to so many (20 indoors, 80 outdoors); 0: it is relative."),
]
FormOption = Annotated[
    str, typer.Option(help="portable (runs anywhere), plugin (TensorRT), reuse (given tokens).")
]
PrecisionOption = Annotated[str, typer.Option(help="fp32 or fp16.")]
AttentionFlag = Annotated[
    bool,
    typer.Option("--attention", help="fp16: attention as one ONNX operator (opset 23, TensorRT 10.14)."),
]


def main(
    checkpoint: CheckpointArgument,
    out: OutOption,
    size: SizeOption = "",
    smaller: SmallerOption = "",
    variant: VariantOption = None,
    default: DefaultOption = "",
    batch: BatchOption = 1,
    dense: DenseFlag = False,
    keep: KeepOption = 0.5,
    query_stride: StrideOption = 8,
    group: GroupOption = 1,
    selector: SelectorOption = "",
    spread: SpreadOption = DEFAULT_SPREAD,
    ways: WaysOption = "",
    family: FamilyOption = "",
    max_depth: MaxDepthOption = None,
    form: FormOption = "portable",
    precision: PrecisionOption = "fp32",
    attention: AttentionFlag = False,
    force: ForceFlag = False,
    as_json: JsonFlag = False,
    *,
    context: typer.Context,
) -> None:
    """A checkpoint to ONNX, dense or token-selective: one file, or a model folder.

    Checkpoints of Depth Anything V1 and V2 and of Distill-Any-Depth are read too, official files
    (.pth, .safetensors) and transformers': what a file cannot tell is said by --family and --max-depth.
    A variant of a model (tosa_depth_s:g3) is written as it is, to one file with its weights inside.
    """
    from tosa_edge.progress import bars
    from tosa_edge.verbs.export import export_model

    # What nobody said is left out: said or not makes a difference beside --dense, and for a variant.
    said = {
        "batch": batch,
        "keep": keep,
        "query_stride": query_stride,
        "group": group,
        "selector": selector,
        "spread": spread,
        "form": form,
        "precision": precision,
    }
    options: dict[str, Any] = {name: value for name, value in said.items() if _is_given(context, name)}
    with bars(f"tracing {out.name}") as on_step:
        result = export_model(
            checkpoint,
            out,
            size=parse_size(size, "--size"),
            smaller=parse_sizes(smaller, "--smaller"),
            variant=dict(map(_variant, variant or ())),
            default=default,
            dense=dense,
            ways=ways,
            family=family,
            max_depth=max_depth,
            attention=attention,
            force=force,
            on_step=on_step,
            say=say,
            **options,
        )
    for graph in result["graphs"]:
        console.print(_line(graph))
    say(f"wrote {out}   next: tosa-edge inspect {out}")
    emit(result, as_json)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _variant(text: str) -> tuple[str, tuple[tuple[int, int] | None, str]]:
    """`NAME=[HxW] [WAYS]` to its parts."""
    from tosa_edge.verbs.export import NAME

    match = re.fullmatch(rf"({NAME})=(\d+x\d+)?\s*(\S*)", text.strip())
    if not match or not (match[2] or match[3]):
        raise TosaEdgeError(
            f"--variant {text[:60]} is not NAME=[HEIGHTxWIDTH] [WAYS]",
            "Write it like 'fast=224x308 windows=0.2,0.4:3-11', the name in small letters.",
        )
    return match[1], (parse_size(match[2] or "", "--variant"), match[3])


def _line(graph: dict[str, Any]) -> str:
    what = "dense"
    if graph["selections"]:
        selections = counted(len(graph["selections"]), "selection")
        what = f"{graph['kept']} of {graph['tokens']} tokens, {selections}"
    elif graph["ways"]:
        what = "represented, " + " + ".join(graph["ways"])
    height, width = graph["size"]
    return f"{graph['form']} {graph['precision']} {height}x{width} batch {graph['batch']}: {what}"
