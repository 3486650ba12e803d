"""The page of the Python interface: what `tosa_edge.__all__` names, in its order."""

from __future__ import annotations

HEAD = """# Python

What `from tosa_edge import ...` gives. All else may change from release to release.
"""


def page(names: list[str]) -> str:
    """Names of the module itself (`__version__`) have no section."""
    sections = [f"::: tosa_edge.{name}" for name in names if not name.startswith("__")]
    return "\n\n".join((HEAD, *sections)) + "\n"
