"""`tosa-edge inspect` as a function."""

from __future__ import annotations

from typing import Any

from tosa_edge.verbs.arguments import StrPath


def inspect_model(file: StrPath) -> dict[str, Any]:
    """What is in a model or an engine: sizes, layers, precisions, and whether an engine fits this machine.

    Args:
        file: a bundled name, a model folder, an `.onnx` file or an engine.

    Returns:
        `model`, `file`, `file_bytes`, and of a graph `info` (size, kept tokens, selections and so on),
        `inputs`, `outputs`, `operators`, `functions`, `weights`, `opset` and `calibration`; of an engine also
        `manifest`, `fit` and `layers`.

    Example:
        >>> info = inspect_model("tosa_depth_s:g3")["info"]
        >>> info["kept"], info["tokens"]
        (216, 432)
    """
    from tosa_edge.inspection import describe

    return describe(str(file))
