"""What TensorRT-RTX compiled for the GPU here, kept: an engine of its holds no finished kernels.

Without a cache each execution context compiles all of them again. One configuration with one cache serves all
contexts of an engine, and a file of it the next start.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from tosa_edge.atomic_files import write_bytes
from tosa_edge.errors import TosaEdgeError


class RuntimeCache:
    """Made, used and saved while the engine's CUDA context is current.

    Args:
        engine: TensorRT-RTX's.
        path: the file, there or not; its name is to tell apart what must not be mixed up.
    """

    def __init__(self, engine: Any, path: Path) -> None:
        self._engine, self._path = engine, path
        self._config = engine.create_runtime_config()
        self._cache = self._config.create_runtime_cache()
        try:
            self._known = path.read_bytes()
        except OSError:
            self._known = b""
        # One that it does not take, damaged or of another driver, costs the time to compile and is replaced.
        if self._known and not self._cache.deserialize(self._known):
            self._known = b""
        self._config.set_runtime_cache(self._cache)

    def execution_context(self) -> Any:
        return self._engine.create_execution_context(runtime_config=self._config)

    def save(self) -> None:
        """Whole or not at all. A disk that takes nothing makes the next start slower, and no call wrong."""
        compiled = bytes(self._cache.serialize())
        if compiled == self._known:
            return
        with contextlib.suppress(TosaEdgeError):
            write_bytes(self._path, compiled)
            self._known = compiled
