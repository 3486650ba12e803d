"""From a failure to the layer it begins in."""

from __future__ import annotations

from dataclasses import replace

from tosa_edge.graph import LoadedGraph
from tosa_edge.validate import checks
from tosa_edge.validate.bisect import HEAD, Departed, Tensor, Traces, departs, marked, stream
from tosa_edge.validate.comparison import Comparison
from tosa_edge.validate.reproduce import Case
from tosa_edge.validate.reuse_form import reuse_form
from tosa_edge.validate.runs import Outputs, outputs_of


def locate(work: Comparison, theirs: Outputs) -> tuple[Departed | None, Case | None]:
    """Layer by layer: the residual stream with the engine's patches given, then what it chose itself."""
    info, least = work.reference.info, checks.LEAST_OVERLAP.get(work.subject.precision, 0.0)
    backend, tensors, graph = work.subject.revealing()
    ours = outputs_of(backend, work.feeds, work.tick)
    depth = Tensor(HEAD, "depth")
    if work.selects and checks.wrong_patches((o["kept"] for o in ours), info.tokens):
        named = Departed(f"selection after layer {info.selections[0]}", "kept", None, 0.0)
        return named, Case("kept", [o["kept"] for o in theirs], 0.0)
    names = {t.layer: t for t in stream(reuse_form(work.reference).proto)}
    known = [t for t in tensors if t.layer in names]
    exact = work.exact(ours, [names[t.layer] for t in known])
    peer, peer_exact, peer_names = None, None, {}
    if work.peer is not None:
        peer_names = {t.layer: t for t in stream(work.peer.proto)}
        known = [t for t in known if t.layer in peer_names]
        peer = work.run(marked(work.peer, [peer_names[t.layer] for t in known]))
        peer_exact = work.exact(peer, [names[t.layer] for t in known])
    roundings = checks.roundings_of(work.reference.proto)
    shares = checks.overlaps([o["kept"] for o in ours], [o["kept"] for o in theirs]) if work.selects else None
    visible = {t.layer: t for t in [*known, depth]}
    hidden: list[str] = []  # layers since the last that was seen and found right
    for layer in [*names, HEAD]:
        if layer in visible and peer is not None and peer_exact is not None:
            tensor = visible[layer]
            right, mine = names.get(layer, depth), peer_names.get(layer, depth)
            one = Traces(
                tensor,
                [o[tensor.name] for o in ours],
                [o[right.name] for o in exact],
                [o[mine.name] for o in peer],
                [o[right.name] for o in peer_exact],
            )
            found = departs(one, roundings)
            if found is not None:
                named = replace(found, layer=" or ".join([*hidden, layer]))
                return named, Case(tensor.name, one.exact, found.limit, _needed(graph, tensor))
            hidden = []
        else:
            hidden.append(layer)
        chosen = _selection_after(layer, info.selections) if shares is not None else None
        if shares is not None and chosen is not None and (worst := float(shares[:, chosen].min())) < least:
            named = Departed(f"selection after {layer}", "kept", 1 - worst, 1 - least)
            return named, Case("kept", [o["kept"] for o in theirs], 0.0)
    return None, None


def _needed(graph: LoadedGraph | None, tensor: Tensor) -> LoadedGraph | None:
    return None if tensor.layer == HEAD else graph


def _selection_after(layer: str, selections: tuple[int, ...]) -> int | None:
    number = layer.rpartition(".")[2]
    return selections.index(int(number)) if number.isdigit() and int(number) in selections else None
