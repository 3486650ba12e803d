"""Data sets, rendering, distillation and supervised training."""

import sys
from importlib.util import find_spec

# `python -m tosa_edge.training.X` comes by here before X's own imports fail, and argv is not set yet.
if sys.argv[:1] == ["-m"]:
    _needed = ("safetensors",) if "tosa_edge.training.render" in sys.orig_argv else ("safetensors", "torch")
    if _missing := [package for package in _needed if find_spec(package) is None]:
        print(
            f"training needs the package {_missing[0]}\nInstall it: pip install 'tosa-edge[train]'.",
            file=sys.stderr,
        )
        sys.exit(3)
