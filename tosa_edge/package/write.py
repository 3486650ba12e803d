"""Writes what a target gives: a target is one function, from a MODEL and options to files."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from tosa_edge.atomic_files import atomic_path
from tosa_edge.errors import TosaEdgeError
from tosa_edge.package.options import Options

TARGETS = {
    "triton": "repository",
    "container": "images",
    "deepstream": "pipeline",
}
# Options that not every target has a use for: their flags, and who has.
ONLY_FOR = {
    "most": ("--max-batch", ("triton", "deepstream")),
    "instances": ("--instances", ("triton",)),
    "delay_us": ("--delay-us", ("triton",)),
    "plugin": ("--plugin", ("triton",)),
}


def write_package(target: str, spec: str, out: Path, options: Options) -> list[Path]:
    """The files that were written; all of them come to be, or none."""
    if target not in TARGETS:
        raise TosaEdgeError(
            f"there is nothing for {target[:30]!r} here", f"Use one of: {', '.join(TARGETS)}."
        )
    for name, (flag, targets) in ONLY_FOR.items():
        if target not in targets and getattr(options, name) != getattr(Options, name):
            raise TosaEdgeError(
                f"{flag} says nothing for {target}", f"Leave it out, or package --for {targets[0]}."
            )
    files = getattr(import_module(f"tosa_edge.package.{target}"), TARGETS[target])(spec, options)
    with atomic_path(out, folder=True) as folder:
        for name, content in files.items():
            place = folder / name
            (place if content is None else place.parent).mkdir(parents=True, exist_ok=True)
            if content is not None:
                place.write_bytes(content.encode() if isinstance(content, str) else content)
            if name.endswith(".sh"):
                place.chmod(0o755)
    return sorted(out / name for name, content in files.items() if content is not None)
