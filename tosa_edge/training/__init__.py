"""Data sets, distillation and supervised training; in a clone also the renderer and the study."""

import sys
from importlib.util import find_spec

# `python -m tosa_edge.training.X` comes by here before X's own imports fail, and argv is not set yet.
if sys.argv[:1] == ["-m"]:
    _part = next((word.split(".")[2] for word in sys.orig_argv if word.startswith(f"{__name__}.")), "")
    _extra = "render" if _part == "render" else "train"
    _needed = ("safetensors", "embreex") if _part == "render" else ("safetensors", "torch")
    _lines: tuple[str, ...] = ()
    if _part in ("render", "study") and find_spec(f"{__name__}.{_part}") is None:
        _lines = (
            f"this installation has no {__name__}.{_part}: no wheel has",
            f"Use a clone of the repository: pip install -e '.[{_extra}]' in it.",
        )
    elif _missing := [package for package in _needed if find_spec(package) is None]:
        _lines = (
            f"training needs the package {_missing[0]}",
            f"Install it: pip install 'tosa-edge[{_extra}]'.",
        )
    if _lines:
        print(*_lines, sep="\n", file=sys.stderr)
        sys.exit(3)
