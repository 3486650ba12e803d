"""The command that builds an engine again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from tosa_edge.engine import TENSORRT_RTX
from tosa_edge.engine.manifest import Manifest
from tosa_edge.engine.names import parse_name
from tosa_edge.errors import TosaEdgeError
from tosa_edge.find_model import find_graph


def command(
    source: str,
    precision: str,
    backend: str,
    out: Path,
    targets: Sequence[int] = (),
    pictures: str | None = None,
    max_drop: object = None,
    plugin: bool = False,
    provider: str | None = None,
) -> str:
    words = ["tosa-edge", "build", source, "--precision", precision, "--backend", backend]
    if provider:
        words += ["--provider", provider]
    for target in targets:
        words += ["--target", str(target)]
    if pictures:
        words += ["--calib", pictures]
    if max_drop is not None:
        words += ["--max-drop", str(max_drop)]
    if plugin:
        words += ["--plugin", "on"]
    return shlex.join([*words, "-o", str(out)])


def from_manifest(manifest: Manifest, engine: Path) -> str:
    m = manifest
    budget = m.settings.get("max_drop")
    asked = m.plugin is not None and m.plugin_choice is None  # else both ways are tried again
    own = m.provider.name if m.provider else None
    return command(m.source, m.precision, m.backend, engine, m.targets, m.pictures, budget, asked, own)


def from_name(engine: Path) -> str:
    """As far as the file's name tells: all there is when the manifest is lost."""
    name = parse_name(engine.name)
    if name is None:
        return f"tosa-edge build MODEL -o {shlex.quote(str(engine))}"
    source = f"{name.model}:{name.variant}"
    try:
        find_graph(source)
    except TosaEdgeError:
        source = "MODEL"
    targets = name.targets if name.backend == TENSORRT_RTX else ()
    return command(source, name.precision, name.backend, engine, targets, provider=name.provider)
