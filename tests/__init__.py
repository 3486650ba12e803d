"""The tests. What runs from here finds `export/`, `calibration/` and `plugins/` as packages of `tosa_edge`
also in a tree that is not installed."""

from pathlib import Path

import tosa_edge

_ROOT = Path(__file__).resolve().parent.parent
if Path(tosa_edge.__path__[0]).resolve() == _ROOT / "tosa_edge" and str(_ROOT) not in tosa_edge.__path__:
    tosa_edge.__path__.append(str(_ROOT))
