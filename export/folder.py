"""Writes models: a folder of graphs over one `weights.safetensors`, or one self-contained file."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tosa_edge
from tosa_edge.atomic_files import atomic_path
from tosa_edge.errors import TosaEdgeError
from tosa_edge.export.attention_form import to_attention_form
from tosa_edge.export.metadata import info_of
from tosa_edge.export.names import ambiguous_names
from tosa_edge.export.plugin_form import to_plugin_form
from tosa_edge.export.share_weights import share_weights
from tosa_edge.export.trace import trace
from tosa_edge.files import sha256_of
from tosa_edge.find_model import MODEL, WEIGHTS, refuse_foreign
from tosa_edge.graph_info import GraphInfo
from tosa_edge.limits import PIXELS
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.examine import examine
from tosa_edge.nn.facts import Told
from tosa_edge.nn.stack import SELECTORS
from tosa_edge.nn.tosa import Pattern
from tosa_edge.nn.weights import load_net, save_as_ours

if TYPE_CHECKING:
    import onnx

FORMS = ("portable", "plugin", "reuse")
PRECISIONS = ("fp32", "fp16")
GROUPS = (1, 3)


@dataclass(frozen=True)
class Variant:
    """A graph of a model folder: its pattern, and its size where that is not the model's own."""

    pattern: Pattern
    size: tuple[int, int] | None = None


def standard_patterns(
    config: ModelConfig, keep: float, query_stride: int, selector: str, spread: float
) -> dict[str, Pattern]:
    """The variants of a model folder by name."""
    patterns = {"dense": Pattern()}
    for group in GROUPS:
        if layers := config.selective_layers(group):
            patterns[f"g{group}"] = Pattern(layers, keep, query_stride, selector, spread)
    return patterns


def export_graph(
    checkpoint: Path,
    pattern: Pattern,
    *,
    size: tuple[int, int] | None = None,
    batch: int = 1,
    form: str = "portable",
    precision: str = "fp32",
    attention: bool = False,
    embed: bool = True,
) -> onnx.ModelProto:
    """One graph of a checkpoint; its weights inside, or (embed=False) in the checkpoint file itself."""
    check_options(pattern, batch=batch, form=form, precision=precision, attention=attention)
    net = load_net(checkpoint, size, pattern)
    height, width = net.config.height, net.config.width
    PIXELS.check(batch * height * width, f"a graph of {batch} pictures of {width}x{height}")
    if precision == "fp16":
        net.half()
    digest = sha256_of(checkpoint)
    model = trace(net, batch=batch, reuse=form == "reuse", weights_sha256=digest)
    share_weights(model, checkpoint, embed=embed)
    ambiguous = ambiguous_names(model)
    assert not ambiguous, f"both a tensor of the graph and an input of a function: {sorted(ambiguous)}"
    if attention:
        return to_attention_form(model)
    return to_plugin_form(model) if form == "plugin" else model


def export_file(
    checkpoint: Path, out: Path, pattern: Pattern, told: Told | None = None, **options: object
) -> GraphInfo:
    """One self-contained `.onnx`, for other people's tools."""
    import onnx

    with tempfile.TemporaryDirectory() as scratch, atomic_path(out) as path:
        if foreign := examine(checkpoint, told=told).foreign:
            ours = Path(scratch) / WEIGHTS
            save_as_ours(checkpoint, ours, out.stem, (foreign.config.height, foreign.config.width), told)
            checkpoint = ours
        model = export_graph(checkpoint, pattern, **options)  # type: ignore[arg-type]
        onnx.checker.check_model(model, full_check=True)
        path.write_bytes(model.SerializeToString())
    return info_of(model)


def export_folder(
    checkpoint: Path,
    out: Path,
    patterns: dict[str, Pattern],
    *,
    forms: tuple[str, ...] = ("portable", "reuse"),
    precisions: tuple[str, ...] = ("fp32",),
    attention: bool = False,
    size: tuple[int, int] | None = None,
    others: dict[str, Variant] | None = None,
    default: str = "",
    batch: int = 1,
    told: Told | None = None,
    on_graph: Callable[[int, int], None] = lambda done, total: None,
) -> list[GraphInfo]:
    """A model folder: `weights.safetensors`, `model.json`, a graph for each variant, form and precision.

    Patterns are variants of the model's own size, `others` are of any. `default` is the variant that the
    folder's name alone means. With `attention` each graph in half is there in the attention form as well.
    """
    refuse_foreign(out)
    every = {name: Variant(pattern) for name, pattern in patterns.items()} | (others or {})
    with atomic_path(out, folder=True) as folder:
        weights = folder / WEIGHTS
        config = save_as_ours(checkpoint, weights, out.name, size, told)
        infos = {}
        graphs = _graphs(every, forms, precisions, attention)
        for name, options in graphs.items():
            model = export_graph(weights, batch=batch, embed=False, **options)  # type: ignore[arg-type]
            (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
            infos[name] = info_of(model)
            on_graph(len(infos), len(graphs))
        (folder / MODEL).write_text(_model_json(config, infos, default))
    return list(infos.values())


def _graphs(
    variants: dict[str, Variant], forms: tuple[str, ...], precisions: tuple[str, ...], attention: bool
) -> dict[str, dict[str, object]]:
    """What to export under which name: `VARIANT[.reuse][.fp16[.attn]]`."""
    return {
        name + ".reuse" * (form == "reuse") + ".fp16" * (precision == "fp16") + ".attn" * fused: {
            "pattern": variant.pattern,
            "size": variant.size,
            "form": form,
            "precision": precision,
            "attention": fused,
        }
        for name, variant in variants.items()
        for form in forms
        for precision in precisions
        for fused in ((False, True) if attention and precision == "fp16" else (False,))
        if variant.pattern.layers or form != "reuse"
    }


def check_options(
    pattern: Pattern, *, batch: int, form: str, precision: str, attention: bool = False
) -> None:
    """Refuses, in words, what cannot be exported."""
    for value, known, flag in ((form, FORMS, "--form"), (precision, PRECISIONS, "--precision")):
        if value not in known:
            raise TosaEdgeError(f"{flag} {value} is not known", f"Choose one of: {', '.join(known)}.")
    if not 0 < pattern.keep <= 1:
        raise TosaEdgeError(
            f"--keep {pattern.keep:g} is not a share of the tokens", "Choose more than 0 and at most 1."
        )
    if pattern.query_stride < 1:
        raise TosaEdgeError(
            f"--query-stride {pattern.query_stride} is not possible", "Choose 1 (every row) or more."
        )
    if not 0 <= pattern.spread < math.inf:
        raise TosaEdgeError(
            f"--spread {pattern.spread:g} is not possible", "Choose 0 (the most important alone) or more."
        )
    if batch < 1:
        raise TosaEdgeError(f"--batch {batch} is not possible", "Choose 1 or more.")
    if pattern.selector not in SELECTORS:
        raise TosaEdgeError(
            f"--selector {pattern.selector} is not known", f"Choose one of: {', '.join(SELECTORS)}."
        )
    if attention and (precision != "fp16" or form == "plugin"):
        what = "in plugin form" if form == "plugin" else precision
        raise TosaEdgeError(
            f"--attention is for half precision in a portable form, and this is {what}",
            "Add --precision fp16 and leave --form plugin out, or leave --attention out.",
        )
    if form != "portable" and not pattern.layers:
        what, flag = ("what represents tokens", "--ways") if pattern.ways else ("a dense model", "--dense")
        raise TosaEdgeError(
            f"{what} has no {form} form: it selects nothing, and needs no plugin",
            f"Leave out {flag}, or --form.",
        )


def _model_json(config: ModelConfig, infos: dict[str, GraphInfo], default: str) -> str:
    (digest,) = {info.weights_sha256 for info in infos.values()}
    return json.dumps(
        {
            **json.loads(config.to_json()),
            "weights_sha256": digest,
            "version": tosa_edge.__version__,
            **({"default": default} if default else {}),
            "graphs": {name: asdict(info) for name, info in infos.items()},
        },
        indent=1,
    )
