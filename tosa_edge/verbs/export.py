"""`tosa-edge export` as a function."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from tosa_edge.errors import TosaEdgeError
from tosa_edge.find_model import DEFAULT_SPREAD, files_of, find_checkpoint, refuse_foreign
from tosa_edge.nn.examine import examine
from tosa_edge.nn.facts import Told
from tosa_edge.output_paths import refuse_overwrites
from tosa_edge.row_sharing import parse_ways
from tosa_edge.verbs.arguments import StrPath, ignore
from tosa_edge.verbs.extras import needs_export_extra

if TYPE_CHECKING:
    from tosa_edge.export.folder import Variant
    from tosa_edge.graph_info import GraphInfo
    from tosa_edge.nn.config import ModelConfig
    from tosa_edge.nn.examine import Examined
    from tosa_edge.nn.tosa import Pattern
    from tosa_edge.progress import OnStep

# What is meant where nothing is said.
KEEP, QUERY_STRIDE, GROUP, BATCH, FORM, PRECISION = 0.5, 8, 1, 1, "portable", "fp32"

NAME = r"[a-z0-9][a-z0-9_-]{0,40}"  # of a variant: it becomes that of a file
Size = tuple[int, int]
SizeAndWays = tuple[Optional[Size], str]

_SELECTING = ("keep", "query_stride", "group", "selector", "spread")
_OF_FOLDERS = ("smaller", "variant", "default")


def export_model(
    checkpoint: StrPath,
    out: StrPath,
    *,
    size: Size | None = None,
    smaller: Sequence[Size] = (),
    variant: Mapping[str, SizeAndWays] | None = None,
    default: str = "",
    batch: int | None = None,
    dense: bool = False,
    keep: float | None = None,
    query_stride: int | None = None,
    group: int | None = None,
    selector: str = "",
    spread: float | None = None,
    ways: str = "",
    family: str = "",
    max_depth: float | None = None,
    form: str = "",
    precision: str = "",
    attention: bool = False,
    force: bool = False,
    on_step: OnStep = ignore,
    say: Callable[[str], None] = ignore,
) -> dict[str, Any]:
    """A checkpoint to ONNX, dense or token-selective: one file, or a model folder.

    Args:
        checkpoint: a `.safetensors` or `.pth` file, a model folder, a bundled name; of Depth Anything V1 and
            V2 and Distill-Any-Depth too. Or NAME:VARIANT: that graph as it is, its weights inside.
        out: NAME.onnx: one graph. A folder: all variants over one weights file.
        size: (height, width) of the pictures; None is the model's own.
        smaller: a folder gets dense graphs of these sizes too.
        variant: a folder gets these too, by name: (size or None, ways), as in
            `{"fast": ((224, 308), "windows=0.2,0.4:3-11")}`.
        default: the variant that the folder's name alone means.
        batch: pictures in a run, fixed in the graph. None: 1.
        dense: no selective layers.
        keep: the share of the tokens that selective layers see. None: 0.5.
        query_stride: score every s-th query row; 1 is the paper's selector. None: 8.
        group: selective layers served by one selection; 1 is the paper's pairing. None: 1.
        selector: learned, where the model has trained ones; previous: training-free; lot. Empty: the best
            there is.
        spread: how evenly the kept tokens lie; 0 is the paper's choice. None: 8.
        ways: one row for several tokens, as in `windows=0.2,0.4:3-11` (docs/represented.md).
        family: whose the checkpoint is, where the file does not tell: depth-anything-v1, depth-anything-v2,
            distill-any-depth.
        max_depth: it gives metres up to so many; 0: it is relative.
        form: portable (runs anywhere; also what empty means), plugin (TensorRT), reuse (given tokens).
        precision: fp32, which empty means, or fp16.
        attention: fp16: attention as one ONNX operator.
        force: replace what is there already.

    Returns:
        `model` (a path), and `graphs`, all that were written: `form`, `precision`, `size`, `batch`, `tokens`,
        `kept`, `selections` and `ways` of each. `form`, `size`, `tokens`, `kept` and `selections` are there
        once more, of the graph that was asked for.

    Example:
        >>> export_model("tosa_depth_s:g3", "g3.onnx")
        >>> export_model("depth_anything_v2_vits.pth", "dav2", size=(518, 518))["model"]
    """
    asked = _Asked(
        size,
        tuple(smaller),
        dict(variant or {}),
        default,
        batch,
        dense,
        keep,
        query_stride,
        group,
        selector,
        spread,
        ways,
        family,
        max_depth,
        form,
        precision,
        attention,
    )
    asked.refuse_contradictions()
    spec, place = str(checkpoint), Path(out)
    if _is_variant(spec):
        return _export_variant(spec, place, asked, force, say)
    return _export_checkpoint(find_checkpoint(spec), place, asked, force, on_step, say)


@dataclass(frozen=True)
class _Asked:
    """What shapes a graph that is traced. None, False and empty: nothing was said."""

    size: Size | None
    smaller: tuple[Size, ...]
    variant: dict[str, SizeAndWays]
    default: str
    batch: int | None
    dense: bool
    keep: float | None
    query_stride: int | None
    group: int | None
    selector: str
    spread: float | None
    ways: str
    family: str
    max_depth: float | None
    form: str
    precision: str
    attention: bool

    @property
    def given(self) -> list[str]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return [n for n, v in values.items() if v is not None and v is not False and v not in ("", (), {})]

    def refuse_contradictions(self) -> None:
        if self.dense and (against := [name for name in self.given if name in _SELECTING]):
            raise TosaEdgeError(
                f"--dense selects nothing, so {_flags(against)} says nothing", "Leave out one of the two."
            )
        if self.ways and (against := [name for name in self.given if name in ("dense", *_SELECTING)]):
            raise TosaEdgeError(
                f"--ways lets every token be represented, so {_flags(against)} says nothing",
                "Leave out one of the two.",
            )


@dataclass(frozen=True)
class _Plan:
    """What is going to be traced: `pattern` into one file, or among `standard` and `others` into a folder."""

    pattern: Pattern
    standard: dict[str, Pattern]
    others: dict[str, Variant]
    batch: int
    form: str
    precision: str


def _export_checkpoint(
    path: Path, out: Path, asked: _Asked, force: bool, on_step: OnStep, say: Callable[[str], None]
) -> dict[str, Any]:
    told = Told(asked.family, asked.max_depth)
    with needs_export_extra("exporting"):
        # Without PyTorch, but for a .pth: what is refused is refused at once.
        examined = examine(path, asked.size, told)
        from tosa_edge.export.folder import export_file, export_folder

    one_file = out.suffix == ".onnx"
    plan = _planned(asked, examined.model, path, out, one_file)
    refuse_overwrites([out], [path], force=force, check=refuse_foreign, say=say)
    _say_what_it_is(examined, plan.pattern, say)
    if one_file:
        options = {"form": plan.form, "precision": plan.precision, "attention": asked.attention}
        infos = [
            export_file(path, out, plan.pattern, told, size=asked.size, batch=plan.batch, **options),
        ]
        on_step("tracing", 1, 1)
    else:
        infos = export_folder(
            path,
            out,
            plan.standard,
            precisions=("fp32",) if plan.precision == "fp32" else ("fp32", "fp16"),
            attention=asked.attention,
            others=plan.others,
            default=asked.default,
            on_graph=lambda done, total: on_step("tracing", done, total),
            size=asked.size,
            batch=plan.batch,
            told=told,
        )
    selective = () if asked.dense else examined.model.selective_layers(asked.group or GROUP)
    info = next((i for i in infos if i.selective_layers == selective and i.form == plan.form), infos[0])
    return _result(infos, info, out)


def _planned(asked: _Asked, config: ModelConfig, path: Path, out: Path, one_file: bool) -> _Plan:
    """What the arguments mean for this model; raises for what cannot be."""
    from tosa_edge.export.folder import check_options, standard_patterns
    from tosa_edge.nn.tosa import Pattern

    keep, spread = _or(asked.keep, KEEP), _or(asked.spread, DEFAULT_SPREAD)
    query_stride, group = _or(asked.query_stride, QUERY_STRIDE), _or(asked.group, GROUP)
    batch, form, precision = _or(asked.batch, BATCH), asked.form or FORM, asked.precision or PRECISION
    selector = _selector(asked.selector, config, path)
    if group < 1 or group >= config.layers:
        raise TosaEdgeError(f"--group {group} is not possible", f"Choose 1 to {config.layers - 1}.")
    if asked.ways:
        pattern = Pattern(ways=parse_ways(asked.ways, config.layers))
    elif asked.dense:
        pattern = Pattern()
    else:
        pattern = Pattern(config.selective_layers(group), keep, query_stride, selector, spread)
    check_options(pattern, batch=batch, form=form, precision=precision, attention=asked.attention)
    if one_file and (of_folders := [name for name in asked.given if name in _OF_FOLDERS]):
        raise TosaEdgeError(
            f"{_flags(of_folders)} is for model folders, and {out} is one graph",
            "Give -o FOLDER, or one --size.",
        )
    others = _others(asked, config.layers)
    if one_file:
        return _Plan(pattern, {}, others, batch, form, precision)
    if form == "plugin":
        raise TosaEdgeError(
            "a model folder holds portable graphs", "Write the plugin form to a file: -o NAME.onnx."
        )
    standard = standard_patterns(config, keep, query_stride, selector, spread)
    if asked.dense or asked.ways:
        standard = {"dense": pattern} if asked.dense else {"represented": pattern, **standard}
    _check_names(standard, others, asked.default)
    return _Plan(pattern, standard, others, batch, form, precision)


def _or(said: Any, usual: Any) -> Any:
    return usual if said is None else said


def _others(asked: _Asked, layers: int) -> dict[str, Variant]:
    """The variants that a folder gets beside those that each has."""
    from tosa_edge.export.folder import Variant
    from tosa_edge.nn.tosa import Pattern

    others = {f"{height}x{width}": Variant(Pattern(), (height, width)) for height, width in asked.smaller}
    for name, (size, ways) in asked.variant.items():
        if not re.fullmatch(NAME, name) or not (size or ways):
            raise TosaEdgeError(
                f"a variant {name[:50]!r} of {size} and {ways!r} cannot be",
                "Name it in small letters, digits, _ and -, and give it a size, ways, or both.",
            )
        others[name] = Variant(Pattern(ways=parse_ways(ways, layers) if ways else ()), size)
    return others


def _check_names(standard: dict[str, Pattern], others: dict[str, Variant], default: str) -> None:
    if twice := sorted(standard.keys() & others.keys()):
        raise TosaEdgeError(f"the folder has a variant {twice[0]} already", "Choose another name.")
    names = [*standard, *others]
    if default and default not in names:
        raise TosaEdgeError(
            f"--default {default} is none of the variants", f"Name one of: {', '.join(names)}."
        )


def _selector(asked: str, config: ModelConfig, path: Path) -> str:
    """The one that is asked for, or the best there is."""
    if asked == "learned" and not config.selectors:
        raise TosaEdgeError(
            f"{path} has no trained selectors",
            "Leave --selector out, or train them: tosa-edge distill MODEL --images DIR -o OUT.",
        )
    return asked or ("learned" if config.selectors else "previous")


def _say_what_it_is(examined: Examined, pattern: Pattern, say: Callable[[str], None]) -> None:
    config = examined.model
    if examined.foreign:
        say(f"{examined.foreign.said}; pictures {config.height}x{config.width}")
    if pattern.layers and not config.selectors:
        say("tokens are selected as the layer before attends (previous): distill trains selectors")


def _is_variant(spec: str) -> bool:
    """`NAME:VARIANT`, and no file that happens to have such a name."""
    name, colon, _ = spec.rpartition(":")
    return bool(colon and name) and not Path(spec).exists()


def _export_variant(
    spec: str, out: Path, asked: _Asked, force: bool, say: Callable[[str], None]
) -> dict[str, Any]:
    """The graph that `spec` names, its weights inside. Nothing is traced, so it takes no torch."""
    from tosa_edge.atomic_files import write_bytes
    from tosa_edge.engine.load import load_graph

    graph = load_graph(spec)
    if others := [name for name in asked.given if name != "form"]:
        raise TosaEdgeError(
            f"{spec} is a graph already, and {_flags(others)} would make another",
            f"Leave it out, or export the checkpoint: tosa-edge export {spec.rpartition(':')[0]} -o OUT ...",
        )
    if out.suffix != ".onnx":
        raise TosaEdgeError(f"{spec} is one graph, and {out} is no file for it", "Write -o NAME.onnx.")
    refuse_overwrites([out], files_of(spec), force=force, say=say)
    proto, info = graph.proto, graph.info
    if asked.form == "plugin":
        with needs_export_extra("the plugin form"):
            from tosa_edge.export.metadata import info_of
            from tosa_edge.export.plugin_form import to_plugin_form
        proto = to_plugin_form(proto)
        info = info_of(proto)
    elif asked.form and asked.form != info.form:
        raise TosaEdgeError(f"{spec} is the {info.form} form", "Leave --form out, or name another variant.")
    write_bytes(out, proto.SerializeToString())
    return _result([info], info, out)


def _flags(names: list[str]) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)


def _result(infos: Sequence[GraphInfo], info: GraphInfo, out: Path) -> dict[str, Any]:
    return {
        "model": str(out),
        "form": info.form,
        "size": [info.height, info.width],
        "tokens": info.tokens,
        "kept": info.kept,
        "selections": list(info.selections),
        "graphs": [_graph(one) for one in infos],
    }


def _graph(info: GraphInfo) -> dict[str, Any]:
    return {
        "form": info.form,
        "precision": info.precision,
        "size": [info.height, info.width],
        "batch": info.batch,
        "tokens": info.tokens,
        "kept": info.kept,
        "selections": list(info.selections),
        "ways": [str(way) for way in info.ways],
    }
