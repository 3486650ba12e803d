"""A failure, put into files and a command of Polygraphy's that shows it without us.

All that is known of Polygraphy is here: its command line, and the form of its JSON files. It is not imported
and need not be installed; whoever types the command has it, or gets it with `pip install polygraphy`.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
import shlex
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tosa_edge.atomic_files import atomic_path
from tosa_edge.engine import ONNXRUNTIME, TENSORRT_RTX
from tosa_edge.validate.checks import std_or_max

if TYPE_CHECKING:
    from tosa_edge.graph import LoadedGraph
    from tosa_edge.validate.engine_under_test import EngineUnderTest
    from tosa_edge.validate.runs import Feeds, OutputList

MODEL, INPUTS, EXPECTED = "model.onnx", "inputs.json", "expected.json"
# Read once, when Polygraphy starts: TensorRT-RTX in the place of TensorRT.
RTX_SWITCH = "POLYGRAPHY_USE_TENSORRT_RTX"


@dataclass(frozen=True)
class FailureCase:
    """One tensor of the engine, what it should hold for each of the feeds, and how far it may be off.

    `limit` is in the terms of `checks.error`; 0 asks for the very same numbers. `graph` is the one to run
    where the engine's file does not show the tensor.
    """

    tensor: str
    exact: list[np.ndarray]
    limit: float
    graph: LoadedGraph | None = None


def folder_for(path: Path, own: bool) -> Path:
    """Beside an engine; in the current folder for a MODEL, which may lie where nobody may write."""
    name = f"{path.name}.failed" if own else f"{path.resolve().parent.name}-{path.name}.failed"
    return path.with_name(name) if own else Path(name)


def reproduce(under_test: EngineUnderTest, case: FailureCase, feeds: Feeds, folder: Path) -> str:
    """Writes the files, and gives the command that fails where the engine did.

    A former case in the folder is replaced; beside anything else the next takes FOLDER-2, and so on.
    """
    numbers = (folder.with_name(f"{folder.name}-{n}") for n in count(2))
    folder = next(place for place in chain([folder], numbers) if not _holds_others(place))
    with atomic_path(folder, folder=True) as there:
        (there / INPUTS).write_text(feeds_json(feeds))
        expected = outputs_json([{case.tensor: array} for array in case.exact], "float32")
        (there / EXPECTED).write_text(expected)
        if case.graph is not None:
            (there / MODEL).write_bytes(case.graph.bytes())
    words = ["polygraphy", "run", str(under_test.path if case.graph is None else folder / MODEL)]
    if under_test.backend == ONNXRUNTIME:
        words += ["--onnxrt", "--onnx-outputs", case.tensor]
    else:
        words += ["--trt"] + ["--strongly-typed"] * (case.graph is not None)
    words += ["--load-inputs", str(folder / INPUTS), "--load-outputs", str(folder / EXPECTED)]
    words += ["--compare", "l2", "--l2-threshold", f"{case.tensor}:{_norm(case):.6g}"]
    switch = f"{RTX_SWITCH}=1 " if under_test.backend == TENSORRT_RTX else ""
    return switch + shlex.join(words)


def _holds_others(folder: Path) -> bool:
    if not folder.is_dir():
        return os.path.lexists(folder)
    return any(path.name not in (MODEL, INPUTS, EXPECTED) for path in folder.iterdir())


def feeds_json(feeds: Feeds) -> str:
    """Feeds as `--load-inputs` takes them."""
    return json.dumps([{name: _array(value) for name, value in feed.items()} for feed in feeds])


def outputs_json(outputs: OutputList, label: str) -> str:
    """Outputs, under the name of whoever computed them, as `--load-outputs` takes them."""
    runs = [
        _object(
            "IterationResult",
            outputs={name: _object("LazyArray", values=_array(value)) for name, value in one.items()},
            runtime=None,
            runner_name=label,
        )
        for one in outputs
    ]
    return json.dumps(_object("RunResults", lst=[[label, runs]]))


def _array(value: np.ndarray) -> dict[str, Any]:
    file = io.BytesIO()
    np.save(file, value, allow_pickle=False)
    return _object("ndarray", array=base64.b64encode(file.getvalue()).decode())


def _object(kind: str, **fields: Any) -> dict[str, Any]:
    return {**fields, "polygraphy_class": kind}


def _norm(case: FailureCase) -> float:
    """The limit as the Euclidean norm of one picture's difference: where the mean over all pictures is above
    the limit, so is that of one of them at least."""
    true = np.concatenate([np.asarray(a, np.float64).ravel() for a in case.exact])
    return case.limit * std_or_max(true) * math.sqrt(true.size / len(case.exact))
