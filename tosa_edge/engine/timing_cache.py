"""What TensorRT measured in earlier builds, kept for the next: one file for each version and kind of GPU."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from tosa_edge.atomic_files import write_bytes
from tosa_edge.engine.gpu import Gpu
from tosa_edge.errors import TosaEdgeError
from tosa_edge.machine import cache_folder


def cache_file(version: str, gpu: Gpu) -> Path:
    return cache_folder() / f"tensorrt-{version}-sm{gpu.sm}.timing"


@contextlib.contextmanager
def timing_cache(trt: ModuleType, config: Any, gpu: Gpu | None) -> Iterator[None]:
    """Attached for the build, saved after it. Without a GPU there is nothing to time: TensorRT-RTX."""
    if gpu is None:
        yield
        return
    path = cache_file(str(trt.__version__), gpu)
    try:
        known = path.read_bytes()
    except OSError:
        known = b""
    # A cache that TensorRT does not want, damaged or of another GPU, only costs the time to make it again.
    if not config.set_timing_cache(config.create_timing_cache(known), False):
        config.set_timing_cache(config.create_timing_cache(b""), False)
    yield
    measured = bytes(config.get_timing_cache().serialize())
    if measured != known:
        with contextlib.suppress(TosaEdgeError):  # a read-only home: slower next time, no less right
            write_bytes(path, measured)
