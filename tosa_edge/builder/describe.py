"""The manifest of an engine that was just built."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge import __version__
from tosa_edge.engine.build_source import rebuild_source
from tosa_edge.engine.manifest import Manifest, Provider, Validation
from tosa_edge.engine.providers import CPU
from tosa_edge.engine.select_backend import NATIVE, BackendChoice
from tosa_edge.engine.this_machine import Machine
from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import sha256_of
from tosa_edge.interface import ports_of

if TYPE_CHECKING:
    from tosa_edge.graph import LoadedGraph


@dataclass(frozen=True)
class BuildPlan:
    """All that decides what an engine will be.

    calibration: the digest of the quantised graph.
    ways: with whose layers it is built.
    attention: the backend has attention as one operator.
    """

    source: Path
    graph: LoadedGraph
    precision: str
    choice: BackendChoice
    targets: tuple[int, ...]
    pictures: Path | None
    calibration: str | None
    machine: Machine
    layer_kinds: tuple[str, ...] = (NATIVE,)
    attention: bool = False


def describe(plan: BuildPlan, data: bytes, settings: dict[str, Any]) -> Manifest:
    info, backend = plan.graph.info, plan.choice.backend
    graph = plan.graph.proto.graph
    note = next((n for n in plan.choice.notes if "not run" in n), Validation().note)
    manifest = Manifest(
        engine_sha256=hashlib.sha256(data).hexdigest(),
        engine_bytes=len(data),
        backend=backend,
        backend_version=plan.machine.versions[backend] or "unknown",
        model=plan.graph.label,
        source=rebuild_source(plan.source),
        model_sha256=sha256_of(plan.source),
        precision=plan.precision,
        form=info.form,
        inputs=tuple(ports_of(graph.input)),
        outputs=tuple(ports_of(graph.output)),
        keep=info.keep,
        query_stride=info.query_stride,
        group=info.group,
        host=plan.machine.host,
        targets=plan.targets,
        settings=settings,
        built=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        tosa_edge=__version__,
        calibration=plan.calibration,
        pictures=str(plan.pictures.absolute()) if plan.pictures else None,
        validation=Validation(note=note),
        graph=info,
        provider=_provider(plan),
    )
    try:
        return Manifest.from_json(manifest.to_json().encode())
    except ValueError as error:
        raise TosaEdgeError(
            f"{plan.graph.label} cannot be described in a manifest: {error}",
            "Give files names that can be printed, and graphs fixed sizes.",
        ) from error


def _provider(plan: BuildPlan) -> Provider | None:
    name = plan.choice.provider
    return None if name == CPU else Provider(name, plan.machine.providers.get(name) or "unknown")
