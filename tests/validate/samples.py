"""Small exported models whose layers matter, and ways to damage what was built from them."""

from __future__ import annotations

import functools
import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
from onnx import numpy_helper

from tests.exported import exported
from tests.nets import tiny_checkpoint, tiny_pattern
from tosa_edge.engine.manifest import Manifest
from tosa_edge.engine.names import manifest_path
from tosa_edge.engine.store import save
from tosa_edge.find_model import WEIGHTS
from tosa_edge.nn.tosa import Pattern

PATTERNS = {"dense": Pattern(), "g1": tiny_pattern(1), "g3": tiny_pattern(3)}
GRAPHS = ("dense", "dense.fp16", "g1", "g1.fp16", "g1.reuse", "g3")


@functools.cache
def _made() -> dict[str, bytes]:
    """Exported once for all tests."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = tiny_checkpoint(Path(folder))
        files = {WEIGHTS: checkpoint.read_bytes()}
        for name in GRAPHS:
            model = exported(
                PATTERNS[name.partition(".")[0]],
                form="reuse" if "reuse" in name else "portable",
                precision="fp16" if "fp16" in name else "fp32",
            )
            files[f"{name}.onnx"] = model.SerializeToString()
    return files


def tiny_folder(parent: Path) -> Path:
    """`tiny`, a model folder: four layers; g1 selects after layers 0 and 2, g3 after layer 0."""
    folder = parent / "tiny"
    folder.mkdir()
    for name, data in _made().items():
        (folder / name).write_bytes(data)
    return folder


def changed(engine: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    """An engine with its graph changed, under a manifest that vouches for the change: as a builder's own
    mistake would look, and not as tampering."""
    manifest = Manifest.from_json(manifest_path(engine).read_bytes())
    model = onnx.load_model_from_string(engine.read_bytes())
    change(model)
    data = model.SerializeToString()
    digest = hashlib.sha256(data).hexdigest()
    save(engine, data, replace(manifest, engine_sha256=digest, engine_bytes=len(data)))


def scaled(name: str, by: float) -> Callable[[onnx.ModelProto], None]:
    """Multiplies a weight, which an engine may hold under a longer name."""

    def change(model: onnx.ModelProto) -> None:
        (tensor,) = [t for t in model.graph.initializer if t.name.endswith(name)]
        array = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array((array * by).astype(array.dtype), tensor.name))

    return change
