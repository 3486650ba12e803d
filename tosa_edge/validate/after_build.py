"""The validation that ends a build, and how it gets into the manifest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tosa_edge.engine import ONNXRUNTIME
from tosa_edge.engine.host import Machine
from tosa_edge.engine.manifest import FAILED, FORMAT, NOT_RUN, PASSED, Judged, Manifest, Validation
from tosa_edge.engine.names import manifest_path
from tosa_edge.errors import TosaEdgeError
from tosa_edge.pending import write_bytes

if TYPE_CHECKING:
    from tosa_edge.graph import LoadedGraph
    from tosa_edge.validate.proof import Proof

OnStep = Callable[[str, int, int], None]


def validated(
    engine: Path, manifest: Manifest, own: LoadedGraph, machine: Machine, on_step: OnStep
) -> tuple[Manifest, Proof | None, tuple[str, ...]]:
    """The manifest with the verdict in it, also on the disk; the proof; and what the user should know.

    An engine that cannot be compared here is as good as it was: what is missing becomes a note. The caller
    holds the engine's lock, so that nobody else writes the manifest meanwhile.

    Args:
        own: the graph the engine was built of.
    """
    if manifest.backend != ONNXRUNTIME and machine.gpu is None:
        return manifest, None, ()  # built and parsed, not run: the manifest says so already
    try:
        proof = _proof(engine, manifest, own, on_step)
    except TosaEdgeError as error:
        verdict = Validation(NOT_RUN, f"not compared with its model: {error.what}")
        notes = (f"not validated: {error.what}. {error.remedy}",)
        return _written(engine, manifest, verdict), None, notes
    return _written(engine, manifest, verdict_of(proof)), proof, proof.notes


def verdict_of(proof: Proof) -> Validation:
    note = f"{proof.pictures} pictures of the bundled clip against float32 in ONNX Runtime"
    if not proof.passed:
        note += f"; failed: {proof.failed[0].name}"
    if proof.departed is not None:
        note += f"; departs first: {proof.departed.layer}"
    judged = tuple(Judged(c.name, c.value, c.limit, c.passed) for c in proof.checks)
    return Validation(PASSED if proof.passed else FAILED, note, judged)


def _proof(engine: Path, manifest: Manifest, own: LoadedGraph, on_step: OnStep) -> Proof:
    from tosa_edge.validate.peers import find_reference, refuse_foreign
    from tosa_edge.validate.pictures import real_pictures
    from tosa_edge.validate.proof import prove
    from tosa_edge.validate.subject import of_engine

    reference = find_reference(manifest.source)
    subject = of_engine(engine, manifest, own)
    refuse_foreign(reference, subject.info, subject.label)
    return prove(subject, reference, real_pictures(reference.info), on_step)


def _written(engine: Path, manifest: Manifest, verdict: Validation) -> Manifest:
    """Only where it changes something: an engine that is found good again keeps its file."""
    if verdict == manifest.validation:
        return manifest
    told = replace(manifest, validation=verdict, format=FORMAT)
    write_bytes(manifest_path(engine), told.to_json().encode())
    return told
