"""Images for CPUs, desktop GPUs and Jetsons: the model beside Dockerfiles, which are in `files/container`."""

from __future__ import annotations

from pathlib import Path

from tosa_edge.engine.load import load_graph
from tosa_edge.package.options import Files, Options

_FILES = Path(__file__).parent / "files/container"


def images(spec: str, options: Options) -> Files:
    del options  # they are a server's
    files = {path.name: path.read_bytes() for path in sorted(_FILES.iterdir()) if path.is_file()}
    files[".dockerignore"] = files.pop("dockerignore")
    return {**files, "model.onnx": load_graph(spec).bytes(), "wheels": None}  # the user's wheels
