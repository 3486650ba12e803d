"""`tosa-edge export`"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from tosa_edge.cli.common import ForceFlag, JsonFlag, emit
from tosa_edge.console import console, counted, say
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.find_model import DEFAULT_SPREAD, files_of, find_checkpoint, refuse_foreign
from tosa_edge.nn.examine import examine
from tosa_edge.nn.facts import Told
from tosa_edge.output_paths import refuse_overwrites
from tosa_edge.row_sharing import parse_ways

if TYPE_CHECKING:
    from tosa_edge.export.folder import Variant
    from tosa_edge.graph_info import GraphInfo
    from tosa_edge.nn.config import ModelConfig
    from tosa_edge.nn.tosa import Pattern

# What shapes a graph that is traced; of these, what is about its selections.
SELECTING = ("keep", "query_stride", "group", "selector", "spread")
SHAPING = (
    *("family", "max_depth", "size", "smaller", "variant", "default", "batch", "dense", "ways", *SELECTING),
    *("form", "precision", "attention"),
)

EXAMPLES = (
    "tosa-edge export tosa_depth_s:g3 -o g3.onnx",
    "tosa-edge export depth_anything_v2_vits.pth -o dav2 --size 518x518",
)


def main(
    checkpoint: Annotated[
        str,
        typer.Argument(
            metavar="CKPT",
            help="A .safetensors or .pth file, a model folder, a bundled name; or NAME:VARIANT, that graph.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="FILE.onnx: one graph. FOLDER: all variants over one weights file."),
    ],
    size: Annotated[str, typer.Option(help="Height x width of the pictures, as in 252x336.")] = "",
    smaller: Annotated[
        str, typer.Option(help="A folder gets dense graphs of these sizes too, as in 168x224,126x168.")
    ] = "",
    variant: Annotated[
        Optional[list[str]],
        typer.Option(
            help="A folder gets this one too, NAME=[HxW] [WAYS], as in 'fast=224x308 windows=0.2,0.4:3-11'."
        ),
    ] = None,
    default: Annotated[str, typer.Option(help="The variant that the folder's name alone means.")] = "",
    batch: Annotated[int, typer.Option(help="Pictures per run, fixed in the graph.")] = 1,
    dense: Annotated[bool, typer.Option("--dense", help="No selective layers.")] = False,
    keep: Annotated[float, typer.Option(help="Share of the tokens that selective layers see.")] = 0.5,
    query_stride: Annotated[
        int, typer.Option(help="Score every s-th query row; 1 is the paper's selector.")
    ] = 8,
    group: Annotated[
        int, typer.Option(help="Selective layers served by one selection; 1 is the paper's pairing.")
    ] = 1,
    selector: Annotated[
        str, typer.Option(help="learned, where the model has trained ones, or previous: training-free.")
    ] = "",
    spread: Annotated[
        float, typer.Option(help="How evenly the kept tokens lie; 0 is the paper's choice.")
    ] = DEFAULT_SPREAD,
    ways: Annotated[
        str,
        typer.Option(help="One row for several tokens, as in windows=0.2,0.4:3-11 (docs/represented.md)."),
    ] = "",
    family: Annotated[
        str,
        typer.Option(help="Whose CKPT is: depth-anything-v1, depth-anything-v2, distill-any-depth."),
    ] = "",
    max_depth: Annotated[
        Optional[float],
        typer.Option(help="CKPT gives metres up to so many (20 indoors, 80 outdoors); 0: it is relative."),
    ] = None,
    form: Annotated[
        str, typer.Option(help="portable (runs anywhere), plugin (TensorRT), reuse (given tokens).")
    ] = "portable",
    precision: Annotated[str, typer.Option(help="fp32 or fp16.")] = "fp32",
    attention: Annotated[
        bool,
        typer.Option("--attention", help="fp16: attention as one ONNX operator (opset 23, TensorRT 10.14)."),
    ] = False,
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
    given = [name for name in SHAPING if _is_given(context, name)]
    if dense and (against := [name for name in given if name in SELECTING]):
        raise TosaEdgeError(
            f"--dense selects nothing, so {_flags(against)} says nothing", "Leave out one of the two."
        )
    if ways and (against := [name for name in given if name in ("dense", *SELECTING)]):
        raise TosaEdgeError(
            f"--ways lets every token be represented, so {_flags(against)} says nothing",
            "Leave out one of the two.",
        )
    if _is_variant(checkpoint):
        return _export_variant(checkpoint, out, given, form, force, as_json)
    path = find_checkpoint(checkpoint)
    wanted = parse_size(size, "--size")
    sizes = parse_sizes(smaller, "--smaller")
    told = Told(family, max_depth)
    with needs_export_extra("exporting"):
        # Without PyTorch, but for a .pth: what is refused is refused at once.
        examined = examine(path, wanted, told)
        from tosa_edge.export.folder import (
            Variant,
            check_options,
            export_file,
            export_folder,
            standard_patterns,
        )
        from tosa_edge.nn.tosa import Pattern

    config = examined.model
    layers = config.layers
    selector = _selector(selector, config, path)
    if group < 1 or group >= layers:
        raise TosaEdgeError(f"--group {group} is not possible", f"Choose 1 to {layers - 1}.")
    if ways:
        pattern = Pattern(ways=parse_ways(ways, layers))
    elif dense:
        pattern = Pattern()
    else:
        pattern = Pattern(config.selective_layers(group), keep, query_stride, selector, spread)
    check_options(pattern, batch=batch, form=form, precision=precision, attention=attention)
    one_file = out.suffix == ".onnx"
    if one_file and (of_folders := [name for name in given if name in ("smaller", "variant", "default")]):
        raise TosaEdgeError(
            f"{_flags(of_folders)} is for model folders, and {out} is one graph",
            "Give -o FOLDER, or one --size.",
        )
    others = {f"{height}x{width}": Variant(Pattern(), (height, width)) for height, width in sizes}
    for text in variant or ():
        name, own_size, spec = _variant(text)
        others[name] = Variant(Pattern(ways=parse_ways(spec, layers) if spec else ()), own_size)
    if not one_file and form == "plugin":
        raise TosaEdgeError(
            "a model folder holds portable graphs", "Write the plugin form to a file: -o NAME.onnx."
        )
    refuse_overwrites([out], [path], force=force, check=refuse_foreign, say=say)
    if examined.foreign:
        say(f"{examined.foreign.said}; pictures {config.height}x{config.width}")
    if pattern.layers and not config.selectors:
        say("tokens are selected as the layer before attends (previous): distill trains selectors")
    with console.status(f"tracing {out.name}") as status:
        if one_file:
            options = {"form": form, "precision": precision, "attention": attention}
            infos = [export_file(path, out, pattern, told, size=wanted, batch=batch, **options)]
        else:
            standard = standard_patterns(config, keep, query_stride, selector, spread)
            if dense or ways:
                standard = {"dense": pattern} if dense else {"represented": pattern, **standard}
            _check_names(standard, others, default)
            infos = export_folder(
                path,
                out,
                standard,
                precisions=("fp32",) if precision == "fp32" else ("fp32", "fp16"),
                attention=attention,
                others=others,
                default=default,
                progress=lambda name: status.update(f"tracing {name}"),
                size=wanted,
                batch=batch,
                told=told,
            )
    selective = () if dense else config.selective_layers(group)
    info = next((i for i in infos if i.selective_layers == selective and i.form == form), infos[0])
    _say_and_emit(infos, info, out, as_json)


def _say_and_emit(infos: list[GraphInfo], info: GraphInfo, out: Path, as_json: bool) -> None:
    for i in infos:
        what = "dense"
        if i.selects:
            what = f"{i.kept} of {i.tokens} tokens, {counted(len(i.selections), 'selection')}"
        elif i.ways:
            what = "represented, " + " + ".join(map(str, i.ways))
        console.print(f"{i.form} {i.precision} {i.height}x{i.width} batch {i.batch}: {what}")
    say(f"wrote {out}   next: tosa-edge inspect {out}")
    result = {"model": str(out), "form": info.form, "size": [info.height, info.width], "tokens": info.tokens}
    emit({**result, "kept": info.kept, "selections": list(info.selections)}, as_json)


def _selector(asked: str, config: ModelConfig, path: Path) -> str:
    """The one that is asked for, or the best there is."""
    if asked == "learned" and not config.selectors:
        raise TosaEdgeError(
            f"{path} has no trained selectors",
            "Leave --selector out, or train them: tosa-edge distill MODEL --images DIR -o OUT.",
        )
    return asked or ("learned" if config.selectors else "previous")


def _is_variant(spec: str) -> bool:
    """`NAME:VARIANT`, and no file that happens to have such a name."""
    name, colon, _ = spec.rpartition(":")
    return bool(colon and name) and not Path(spec).exists()


def _export_variant(spec: str, out: Path, given: list[str], form: str, force: bool, as_json: bool) -> None:
    """The graph that `spec` names, its weights inside. Nothing is traced, so it takes no torch."""
    from tosa_edge.atomic_files import write_bytes
    from tosa_edge.engine.load import load_graph

    graph = load_graph(spec)
    if others := [name for name in given if name != "form"]:
        raise TosaEdgeError(
            f"{spec} is a graph already, and {_flags(others)} would make another",
            f"Leave it out, or export the checkpoint: tosa-edge export {spec.rpartition(':')[0]} -o OUT ...",
        )
    if out.suffix != ".onnx":
        raise TosaEdgeError(f"{spec} is one graph, and {out} is no file for it", "Write -o NAME.onnx.")
    refuse_overwrites([out], files_of(spec), force=force, say=say)
    proto, info = graph.proto, graph.info
    if form == "plugin":
        with needs_export_extra("the plugin form"):
            from tosa_edge.export.metadata import info_of
            from tosa_edge.export.plugin_form import to_plugin_form
        proto = to_plugin_form(proto)
        info = info_of(proto)
    elif "form" in given and form != info.form:
        raise TosaEdgeError(f"{spec} is the {info.form} form", "Leave --form out, or name another variant.")
    write_bytes(out, proto.SerializeToString())
    _say_and_emit([info], info, out, as_json)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _flags(names: list[str]) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)


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
    from tosa_edge.runtime.sources.address import two_sides

    try:
        return two_sides(text.lower())
    except ValueError:
        raise TosaEdgeError(f"{flag} {text[:40]} is not HEIGHTxWIDTH", "Write it like 252x336.") from None


def parse_sizes(text: str, flag: str) -> tuple[tuple[int, int], ...]:
    """`252x336,168x224` to both; nothing to none."""
    return tuple(size for part in text.split(",") if (size := parse_size(part.strip(), flag)))


def _variant(text: str) -> tuple[str, tuple[int, int] | None, str]:
    """`NAME=[HxW] [WAYS]` to its parts."""
    match = re.fullmatch(r"([a-z0-9][a-z0-9_-]{0,40})=(\d+x\d+)?\s*(\S*)", text.strip())
    if not match or not (match[2] or match[3]):
        raise TosaEdgeError(
            f"--variant {text[:60]} is not NAME=[HEIGHTxWIDTH] [WAYS]",
            "Write it like 'fast=224x308 windows=0.2,0.4:3-11', the name in small letters.",
        )
    return match[1], parse_size(match[2] or "", "--variant"), match[3]


def _check_names(standard: dict[str, Pattern], others: dict[str, Variant], default: str) -> None:
    if twice := sorted(standard.keys() & others.keys()):
        raise TosaEdgeError(f"the folder has a variant {twice[0]} already", "Choose another name.")
    names = [*standard, *others]
    if default and default not in names:
        raise TosaEdgeError(
            f"--default {default} is none of the variants", f"Name one of: {', '.join(names)}."
        )
