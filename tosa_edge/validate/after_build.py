"""The validation that ends a build, and how it gets into the manifest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tosa_edge.atomic_files import write_bytes
from tosa_edge.engine import ONNXRUNTIME
from tosa_edge.engine.manifest import FAILED, FORMAT, NOT_RUN, PASSED, CheckResult, Manifest, Validation
from tosa_edge.engine.names import manifest_path
from tosa_edge.engine.this_machine import Machine
from tosa_edge.errors import TosaEdgeError

if TYPE_CHECKING:
    from tosa_edge.graph import LoadedGraph
    from tosa_edge.progress import OnStep
    from tosa_edge.validate.parity import ParityReport


def validate_and_record(
    engine: Path, manifest: Manifest, own: LoadedGraph, machine: Machine, on_step: OnStep
) -> tuple[Manifest, ParityReport | None, tuple[str, ...]]:
    """The manifest with the verdict in it, also on the disk; the report; and what the user should know.

    An engine that cannot be compared here is as good as it was: what is missing becomes a note. The caller
    holds the engine's lock, so that nobody else writes the manifest meanwhile.

    Args:
        own: the graph the engine was built of.
    """
    if manifest.backend != ONNXRUNTIME and machine.gpu is None:
        return manifest, None, ()  # built and parsed, not run: the manifest says so already
    try:
        report = _report(engine, manifest, own, on_step)
    except TosaEdgeError as error:
        verdict = Validation(NOT_RUN, f"not compared with its model: {error.what}")
        notes = (f"not validated: {error.what}. {error.remedy}",)
        return _written(engine, manifest, verdict), None, notes
    return _written(engine, manifest, verdict_of(report)), report, report.notes


def verdict_of(report: ParityReport) -> Validation:
    note = f"{report.pictures} pictures of the bundled clip against float32 in ONNX Runtime"
    if not report.passed:
        note += f"; failed: {report.failed[0].name}"
    if report.divergence is not None:
        note += f"; departs first: {report.divergence.layer}"
    judged = tuple(CheckResult(c.name, c.value, c.limit, c.passed) for c in report.checks)
    return Validation(PASSED if report.passed else FAILED, note, judged)


def _report(engine: Path, manifest: Manifest, own: LoadedGraph, on_step: OnStep) -> ParityReport:
    from tosa_edge.validate.engine_under_test import of_engine
    from tosa_edge.validate.parity import compare_with_reference
    from tosa_edge.validate.pictures import validation_pictures
    from tosa_edge.validate.references import find_reference, refuse_foreign

    reference = find_reference(manifest.source)
    under_test = of_engine(engine, manifest, own)
    refuse_foreign(reference, under_test.info, under_test.label)
    return compare_with_reference(under_test, reference, validation_pictures(reference.info), on_step)


def _written(engine: Path, manifest: Manifest, verdict: Validation) -> Manifest:
    """Rewrites the manifest only if the verdict changed."""
    if verdict == manifest.validation:
        return manifest
    updated = replace(manifest, validation=verdict, format=FORMAT)
    write_bytes(manifest_path(engine), updated.to_json().encode())
    return updated
