"""The way from a float32 graph and pictures to an INT8 graph."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tosa_edge.calibration import table_cache
from tosa_edge.calibration.agreement import Agreement, compare, outputs_of
from tosa_edge.calibration.constants import Constants
from tosa_edge.calibration.pictures import evenly_spaced, read_pictures
from tosa_edge.calibration.placement import Layer, for_form
from tosa_edge.calibration.quantised import quantised
from tosa_edge.calibration.ranges import measure
from tosa_edge.calibration.sensitivity import Cost, Kept, costs, keep_within
from tosa_edge.calibration.settings import Settings, layers_to_quantise
from tosa_edge.calibration.table import Table
from tosa_edge.errors import TosaEdgeError
from tosa_edge.graph import LoadedGraph

if TYPE_CHECKING:
    import onnx

    from tosa_edge.progress import OnStep

# Comparing runs the model once more for each group; these many pictures, evenly spread, are enough.
COMPARED = 24


@dataclass(frozen=True)
class Calibrated:
    """An INT8 model and how it came about.

    Args:
        table: what its ranges are; `cached` when it was measured at another time.
        refused: pictures that were left out, and why.
        kept: layers that stayed in float, and the agreement with float32 (None when nobody asked).
        costs: of each group of layers, the dearest first; empty when nobody asked.
    """

    model: onnx.ModelProto
    table: Table
    cached: bool
    refused: list[str]
    kept: Kept | None
    costs: list[Cost]
    layers: int


def calibrate(
    graph: LoadedGraph,
    data: Path | None,
    settings: Settings | None = None,
    on_step: OnStep = lambda what, done, total: None,
) -> Calibrated:
    """Measures, or takes a table, and quantises; within the budget where one is given."""
    settings = settings or Settings()
    layers = layers_to_quantise(graph, settings)
    refused: list[str] = []
    pictures = np.empty(0, np.uint8)
    if data is not None:
        pictures, refused = read_pictures(
            data,
            (graph.info.height, graph.info.width),
            settings.images,
            fit=settings.fit,
            middle=graph.info.seen,
            flag="--data",
            on_file=lambda done, files: on_step("reading pictures", done, files),
        )
    elif settings.table is None or settings.compares:
        raise TosaEdgeError(
            "INT8 needs calibration pictures: without them it would be guessing",
            "Give --data a folder of pictures, or a video, from where the model is going to work.",
        )
    table, cached = _table(graph, layers, pictures, settings, on_step)
    half = graph.info.precision == "fp16"
    layers = for_form(layers, settings.activations, half)  # after the table, which serves all forms
    kept: Kept | None = None
    ranked: list[Cost] = []
    if settings.compares:
        some = pictures[evenly_spaced(len(pictures), COMPARED)]
        kept, ranked = _within_max_drop(graph, layers, table, some, settings, on_step)
    higher = kept.layers if kept else ()
    model = quantised(graph, layers, table, settings.activations, higher)
    return Calibrated(model, table, cached, refused, kept, ranked, len(layers) - len(higher))


def quantise(
    graph: LoadedGraph, data: Path | None, on_step: OnStep = lambda what, done, total: None, **settings: Any
) -> onnx.ModelProto:
    """The INT8 form of a float32 graph, from pictures; `settings` are those of `Settings`.

    Example:
        >>> int8 = quantise(load_graph("tosa_depth_s:g3"), Path("photos"), max_drop=0.01)
    """
    return calibrate(graph, data, Settings(**settings), on_step).model


def _table(
    graph: LoadedGraph, layers: list[Layer], pictures: np.ndarray, settings: Settings, on_step: OnStep
) -> tuple[Table, bool]:
    tensors = sorted({layer.activation for layer in layers})
    if settings.table is not None:
        return table_cache.read_table(settings.table, graph, tensors), False
    key = table_cache.model_digest(graph), table_cache.data_digest(pictures)
    known = table_cache.recall(*key, settings.method)
    if known is not None and set(known.ranges) == set(tensors):
        return known, True
    ranges = measure(
        graph,
        tensors,
        pictures,
        settings.method,
        threads=settings.threads,
        on_picture=lambda index: on_step("measuring ranges", index + 1, len(pictures)),
    )
    table = Table(*key, len(pictures), settings.method, ranges)
    table_cache.remember(table)
    return table, False


def _within_max_drop(
    graph: LoadedGraph,
    layers: list[Layer],
    table: Table,
    pictures: np.ndarray,
    settings: Settings,
    on_step: OnStep,
) -> tuple[Kept, list[Cost]]:
    batches = -(-len(pictures) // graph.info.batch)
    compared = count(1)

    def on_batch() -> None:
        if (done := next(compared)) <= 2 * batches:  # the groups after that have their own count
            on_step("comparing with float32", done, 2 * batches)

    exact = outputs_of(graph, pictures, settings.threads, on_batch)
    known: dict[frozenset[str], Agreement] = {}

    def judge(higher: Collection[str]) -> Agreement:
        key = frozenset(higher)
        if key not in known:
            made = replace(graph, proto=quantised(graph, layers, table, settings.activations, higher))
            some = outputs_of(made, pictures, settings.threads, on_batch)
            known[key] = compare(some, exact, graph.info.output)
        return known[key]

    start, budget = judge(()), settings.max_drop
    ranked: list[Cost] = []
    if settings.report or (budget is not None and start.drop > budget):
        constants = Constants(graph.proto)
        sizes = {layer.name: constants.value(layer.weight).size for layer in layers}
        ranked = costs(layers, sizes, judge, lambda done, groups: on_step("trying groups", done, groups))
    if budget is None or start.drop <= budget:
        return Kept((), (), start), ranked
    return keep_within(budget, layers, ranked, judge, start), ranked
