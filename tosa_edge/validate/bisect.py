"""The first layer whose residual stream differs from the float32 reference by more than its limit.

Names of tensors survive ONNX Runtime's optimiser where it did not fuse over them, and the residual stream it
leaves alone; a layer whose tensor is gone is passed over. A TensorRT engine shows no such tensors: it is
built once more with them as outputs, which may mend what the first build did wrong; then no layer is found.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from tosa_edge.graph import LoadedGraph, with_outputs
from tosa_edge.validate import checks
from tosa_edge.validate.checks import error_limit, relative_rms, rounding_floor
from tosa_edge.validate.reproduce import FailureCase
from tosa_edge.validate.reuse_form import reuse_form
from tosa_edge.validate.runs import Feeds, OutputList, outputs_of, unoptimised

if TYPE_CHECKING:
    import onnx

    from tosa_edge.validate.engine_under_test import EngineUnderTest

_LAST = re.compile(r"(?:^|[/.])((?:\w+\.)*blocks\.(\d+))\.ls2\.gamma$")
_PASSING = ("Cast", "Identity")
HEAD = "head"
# What ONNX Runtime calls a half-precision tensor that its CPU computes in float32 after all.
_IN_FLOAT = "InsertedPrecisionFreeCast_"


@dataclass(frozen=True)
class LayerTensor:
    """Where the residual stream leaves a layer. `layer` is named as in the checkpoint."""

    layer: str
    name: str


@dataclass(frozen=True)
class Divergence:
    """The first layer whose error is above its limit; `error` is None where it is not finite."""

    layer: str
    tensor: str
    error: float | None
    limit: float


def residual_stream(proto: onnx.ModelProto) -> list[LayerTensor]:
    """The residual stream of a portable or reuse graph, from the embedding to the last layer."""
    from tosa_edge.calibration.constants import Constants

    constants = Constants(proto)
    nodes = [node for node in proto.graph.node if node.op_type not in _PASSING]
    makers = {output: node for node in proto.graph.node for output in node.output}
    readers: dict[str, onnx.NodeProto] = {}
    for node in nodes:
        for name in node.input:
            readers.setdefault(name, node)
    layers: dict[int, LayerTensor] = {}
    for node in nodes:
        for name in node.input:
            weight = constants.source(name)
            if weight is None:
                continue
            last = _LAST.search(name) or _LAST.search(weight)
            output = _after(node, readers) if last else None
            if last and output:
                layers.setdefault(int(last[2]), LayerTensor(last[1], output))
    found = [layers[i] for i in sorted(layers)]
    first = next((node.input[0] for node in nodes if node.op_type == "LayerNormalization"), None)
    if not found or first is None:
        return found
    while first in makers and makers[first].op_type in _PASSING:
        first = makers[first].input[0]
    return [LayerTensor(f"{found[0].layer.rpartition('blocks.')[0]}patch_embed", first), *found]


def _after(node: onnx.NodeProto, readers: dict[str, onnx.NodeProto]) -> str | None:
    """The sum that a layer ends with: the operator's own, or that behind the product with LayerScale."""
    if node.domain == "tosa":
        return node.output[0]
    after = readers.get(node.output[0])
    return after.output[0] if after is not None and after.op_type == "Add" else None


def tensors_present(graph: LoadedGraph, tensors: Iterable[LayerTensor]) -> list[LayerTensor]:
    """Those of the tensors that a graph, optimised perhaps, still computes, under the names it gives them."""
    made = {output for node in graph.proto.graph.node for output in node.output}
    found = []
    for tensor in tensors:
        name = next((p + tensor.name for p in ("", _IN_FLOAT) if p + tensor.name in made), None)
        if name is not None:
            found.append(LayerTensor(tensor.layer, name))
    return found


def with_layer_tensors(graph: LoadedGraph, tensors: Iterable[LayerTensor]) -> LoadedGraph:
    """The graph with these tensors among its outputs."""
    names = [tensor.name for tensor in tensors]
    half = {name for name in names if graph.info.precision == "fp16" and not name.startswith(_IN_FLOAT)}
    return with_outputs(graph, names, half)


@dataclass(frozen=True)
class Traces:
    """The arrays of one layer over all pictures: of the engine and of the same precision in ONNX Runtime, and
    what each should be."""

    tensor: LayerTensor
    engine: list[np.ndarray]
    exact: list[np.ndarray]
    same_precision: list[np.ndarray]
    same_precision_exact: list[np.ndarray]


def divergence_at(one: Traces, roundings: int) -> Divergence | None:
    """None if the engine's error is within the limit, which follows from the same precision in ONNX Runtime.
    To be called in the order of the layers: errors propagate."""
    found = relative_rms(one.engine, one.exact)
    limit = error_limit(
        relative_rms(one.same_precision, one.same_precision_exact), rounding_floor(one.exact, roundings)
    )
    assert limit is not None  # there is a result of the same precision
    if found <= limit:
        return None
    return Divergence(one.tensor.layer, one.tensor.name, found if math.isfinite(found) else None, limit)


def find_divergence(
    comparison: Comparison, theirs: OutputList
) -> tuple[Divergence | None, FailureCase | None]:
    """Layer by layer: the residual stream with the engine's patches given, then what it chose itself."""
    info, least = comparison.reference.info, checks.LEAST_OVERLAP.get(comparison.under_test.precision, 0.0)
    backend, tensors, graph = comparison.under_test.with_layer_outputs()
    ours = outputs_of(backend, comparison.feeds, comparison.tick)
    last = LayerTensor(HEAD, info.answer)
    if comparison.selects and checks.wrong_patches((o["kept"] for o in ours), info.tokens):
        named = Divergence(f"selection after layer {info.selections[0]}", "kept", None, 0.0)
        return named, FailureCase("kept", [o["kept"] for o in theirs], 0.0)
    names = {t.layer: t for t in residual_stream(reuse_form(comparison.reference).proto)}
    known = [t for t in tensors if t.layer in names]
    exact = comparison.exact(ours, [names[t.layer] for t in known])
    same_precision, same_precision_exact, same_precision_names = None, None, {}
    if comparison.same_precision is not None:
        same_precision_names = {t.layer: t for t in residual_stream(comparison.same_precision.proto)}
        known = [t for t in known if t.layer in same_precision_names]
        same_precision = comparison.run(
            with_layer_tensors(comparison.same_precision, [same_precision_names[t.layer] for t in known])
        )
        same_precision_exact = comparison.exact(same_precision, [names[t.layer] for t in known])
    roundings = checks.roundings_of(comparison.reference.proto)
    shares = (
        checks.overlaps([o["kept"] for o in ours], [o["kept"] for o in theirs])
        if comparison.selects
        else None
    )
    visible = {t.layer: t for t in [*known, last]}
    hidden: list[str] = []  # layers since the last that was seen and found right
    for layer in [*names, HEAD]:
        if layer in visible and same_precision is not None and same_precision_exact is not None:
            tensor = visible[layer]
            right, mine = names.get(layer, last), same_precision_names.get(layer, last)
            one = Traces(
                tensor,
                [o[tensor.name] for o in ours],
                [o[right.name] for o in exact],
                [o[mine.name] for o in same_precision],
                [o[right.name] for o in same_precision_exact],
            )
            found = divergence_at(one, roundings)
            if found is not None:
                named = replace(found, layer=" or ".join([*hidden, layer]))
                return named, FailureCase(tensor.name, one.exact, found.limit, _needed(graph, tensor))
            hidden = []
        else:
            hidden.append(layer)
        chosen = _selection_after(layer, info.selections) if shares is not None else None
        if shares is not None and chosen is not None and (worst := float(shares[:, chosen].min())) < least:
            named = Divergence(f"selection after {layer}", "kept", 1 - worst, 1 - least)
            return named, FailureCase("kept", [o["kept"] for o in theirs], 0.0)
    return None, None


def _needed(graph: LoadedGraph | None, tensor: LayerTensor) -> LoadedGraph | None:
    return None if tensor.layer == HEAD else graph


def _selection_after(layer: str, selections: tuple[int, ...]) -> int | None:
    number = layer.rpartition(".")[2]
    return selections.index(int(number)) if number.isdigit() and int(number) in selections else None


@dataclass
class Comparison:
    """One engine on one set of feeds. Exact depth is kept for each set of patches it was computed with."""

    under_test: EngineUnderTest
    reference: LoadedGraph
    feeds: Feeds
    tick: Callable[[], None]
    _exact: dict[tuple[int, bytes], dict[str, np.ndarray]] = field(default_factory=dict)

    @property
    def same_precision(self) -> LoadedGraph | None:
        """The same precision in ONNX Runtime; of float32 the reference is its own."""
        return self.reference if self.under_test.precision == "fp32" else self.under_test.own

    @property
    def selects(self) -> bool:
        return self.reference.info.selects and self.reference.info.form != "reuse"

    def run(self, graph: LoadedGraph) -> OutputList:
        return outputs_of(unoptimised(graph), self.feeds, self.tick)

    def exact(self, outputs: OutputList, tensors: list[LayerTensor] | None = None) -> OutputList:
        """What float32 makes of the feeds with the patches that these outputs have chosen."""
        graph = reuse_form(self.reference)
        if tensors is not None:
            return outputs_of(unoptimised(with_layer_tensors(graph, tensors)), self.given(outputs), self.tick)
        keys = [(i, o["kept"].tobytes() if self.selects else b"") for i, o in enumerate(outputs)]
        new = [i for i, key in enumerate(keys) if key not in self._exact]
        if new:
            given = self.given(outputs)
            found = outputs_of(unoptimised(graph), [given[i] for i in new], self.tick)
            self._exact.update(zip([keys[i] for i in new], found, strict=True))
        return [self._exact[key] for key in keys]

    def remember(self, outputs: OutputList) -> None:
        """The reference's own depth: its reuse form computes the very same with the patches it chose."""
        for i, one in enumerate(outputs):
            self._exact[i, one["kept"].tobytes() if self.selects else b""] = one

    def given(self, outputs: OutputList) -> Feeds:
        if not self.selects:
            return self.feeds
        kept = [np.ascontiguousarray(o["kept"], np.int32) for o in outputs]
        return [{**feed, "kept": patches} for feed, patches in zip(self.feeds, kept, strict=True)]
