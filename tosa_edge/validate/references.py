"""What an engine is compared with: the float32 reference, and the same precision in ONNX Runtime."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.engine.build_source import find_source, precision_of, source_of
from tosa_edge.engine.load import load_graph
from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import sha256_of
from tosa_edge.graph import LoadedGraph

if TYPE_CHECKING:
    from tosa_edge.engine.manifest import Manifest
    from tosa_edge.graph_info import GraphInfo

# In the words of whoever reads that two graphs differ in it.
_SAME = {
    "weights_sha256": "weights",
    "height": "input height",
    "width": "input width",
    "batch": "batch",
    "patch": "patch size",
    "output": "kind of depth",
    "form": "form",
    "selective_layers": "selective layers",
    "selections": "selections",
    "kept": "number of kept patches",
    "query_stride": "query stride",
    "selector": "selector",
    "spread": "spread of the kept patches",
    "ways": "ways to represent tokens",
}


def find_reference(spec: str) -> LoadedGraph:
    """The float32 graph of the variant that a MODEL means, in whatever precision the MODEL is."""
    path = find_source(spec, "fp32")
    graph = load_graph(str(path))
    found = precision_of(graph)
    if found != "fp32":
        raise TosaEdgeError(
            f"{graph.label} is {found}, and there is no float32 graph beside it to compare with",
            "Give one with `tosa-edge validate ENGINE --reference MODEL`.",
        )
    if graph.info.form == "plugin":
        raise TosaEdgeError(
            f"{graph.label} is in plugin form, which ONNX Runtime cannot compute",
            "Give the portable form of it: --reference MODEL.",
        )
    return graph


def refuse_foreign(reference: LoadedGraph, info: GraphInfo, label: str) -> None:
    """A reference of other weights, layers or sizes says nothing about an engine."""
    for field, words in _SAME.items():
        theirs, ours = getattr(reference.info, field), getattr(info, field)
        if theirs != ours:
            raise TosaEdgeError(
                f"{reference.label} is no reference for {label}: "
                + (f"other {words}" if field == "weights_sha256" else f"{words} {theirs}, not {ours}"),
                "Leave --reference out, or give the float32 graph of the same variant and weights.",
            )


def graph_of(manifest: Manifest, reference: str | None = None) -> LoadedGraph | None:
    """The graph an engine was built from, before any builder touched it; None when it cannot be had here.

    The manifest knows it by its digest. What was quantised during the build is quantised again, and known by
    the digest of the result.
    """
    for spec in filter(None, (manifest.source, reference)):
        try:
            path = source_of(manifest, spec)
            if sha256_of(path) != manifest.model_sha256:
                continue
            graph = load_graph(str(path))
            return graph if manifest.calibration is None else _quantised(graph, manifest)
        except (TosaEdgeError, OSError):
            continue
    return None


def _quantised(graph: LoadedGraph, manifest: Manifest) -> LoadedGraph | None:
    from tosa_edge.calibration import quantise

    if manifest.pictures is None:
        return None
    asked: dict[str, Any] = {}
    if "max_drop" in manifest.settings:
        asked["max_drop"] = manifest.settings["max_drop"]
    made = quantise(graph, Path(manifest.pictures), **asked)
    if digest_of(made) != manifest.calibration:
        return None  # the pictures are others than they were
    return replace(graph, proto=made, info=replace(graph.info, precision="int8"))


def digest_of(model: Any) -> str:
    """By which the graph that calibration made is known."""
    return hashlib.sha256(model.SerializeToString()).hexdigest()
