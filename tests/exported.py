"""Graphs of small random models. Tracing one takes seconds: each is traced once for all tests of a run, by
whichever process needs it first; `conftest.py` makes the folder for it and takes it away."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import onnx

from tests.conftest import EXPORTED
from tests.nets import TINY, tiny_checkpoint
from tosa_edge.atomic_files import atomic_path
from tosa_edge.export.folder import export_graph
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.tosa import Pattern


def exported(pattern: Pattern, config: ModelConfig = TINY, **options) -> onnx.ModelProto:
    """What `export_graph` makes of `tiny_checkpoint`; the caller's own copy."""
    options = {"batch": 1, "form": "portable", "precision": "fp32"} | options
    words = repr((pattern, config, sorted(options.items())))
    path = Path(os.environ[EXPORTED]) / f"{hashlib.sha256(words.encode()).hexdigest()[:16]}.onnx"
    if not path.exists():
        with tempfile.TemporaryDirectory() as folder, atomic_path(path) as part:
            model = export_graph(tiny_checkpoint(Path(folder), config), pattern, **options)
            part.write_bytes(model.SerializeToString())
    return onnx.load(path)
