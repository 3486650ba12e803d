"""TensorRT and TensorRT-RTX: one backend for both, on NVIDIA GPUs.

An engine is shared by all threads, an execution context by none: each call under way has one of its own, with
a stream, buffers and a captured graph. So calls from several threads run side by side, and calls one after
the other, from whatever threads, use the same one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from tosa_edge.backends import Backend
from tosa_edge.backends.execution import Execution
from tosa_edge.backends.runtime_cache import RuntimeCache
from tosa_edge.cuda.arrays import is_on_gpu
from tosa_edge.cuda.context import Context
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.interface import Port

# TensorRT's names of the types that graphs have at their ends.
_DTYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT8": "int8",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "BOOL": "bool",
}


class TensorRtBackend(Backend):
    """Runs one engine in the CUDA context that is current when it is activated, else in the primary one.

    Args:
        trt: the module `tensorrt` or `tensorrt_rtx`.
        read: gives the bytes of an engine that fits this machine, or refuses; asked before the GPU is.
        open_engine: makes of them TensorRT's engine object.
        label: its name in messages.
        graphs: False queues every layer for every call, instead of replaying a captured CUDA graph.
        cache: names the file for what TensorRT-RTX compiles on this machine; asked when the engine is opened.
    """

    can_acquire = True

    def __init__(
        self,
        trt: ModuleType,
        read: Callable[[], Any],
        open_engine: Callable[[Any], Any],
        label: str,
        graphs: bool = True,
        cache: Callable[[], Path] | None = None,
    ) -> None:
        self.label = label
        self.graphs = graphs
        self._trt, self._read, self._open_engine, self._cache_file = trt, read, open_engine, cache
        self._lock = threading.Lock()
        self._engine: Any = None
        self._cache: RuntimeCache | None = None
        self._context: Context | None = None
        self._ports: tuple[tuple[Port, ...], tuple[Port, ...]] = ((), ())
        self._idle: list[Execution] = []

    def activate(self) -> None:
        with self._lock:
            if self._engine is not None:
                return
            data = self._read()
            context = Context.here()
            with context.active():
                engine = self._open_engine(data)
                del data  # not kept beside what TensorRT makes of it
                self._ports = _ports(self._trt, engine, self.label)
                cache = RuntimeCache(engine, self._cache_file()) if self._cache_file else None
                # One is needed in any case; what does not fit into memory is known before the first frame.
                self._idle = [self._new_execution(context, engine, cache)]
                if cache:
                    cache.save()  # now, for whoever is killed before the end
            self._context, self._engine, self._cache = context, engine, cache

    def deactivate(self) -> None:
        """Calls that are under way in other threads end as they would have, and give back what they used."""
        with self._lock:
            idle, self._idle = self._idle, []
            context, self._context = self._context, None
            engine, self._engine = self._engine, None
            cache, self._cache = self._cache, None
        for execution in idle:
            execution.close()
        if context is not None:
            with context.active():
                if cache:
                    cache.save()
                del cache, engine

    @property
    def inputs(self) -> tuple[Port, ...]:
        self._active()
        return self._ports[0]

    @property
    def outputs(self) -> tuple[Port, ...]:
        self._active()
        return self._ports[1]

    @property
    def graph_refused(self) -> str | None:
        """Why calls are not replayed as a CUDA graph; None where they are, or will be from the second on."""
        return next((execution.replay.refused for execution in self._idle if execution.replay.refused), None)

    def infer(self, feeds: dict[str, Any]) -> dict[str, Any]:
        """Arrays of the host, or of the GPU; what comes back is on the side of the first input."""
        with self.acquire() as execution:
            execution.feed(feeds)
            execution.replay()
            on_gpu = is_on_gpu(feeds[execution.inputs[0].name])
            return dict(execution.results_on_gpu() if on_gpu else execution.results_on_host())

    @contextmanager
    def acquire(self) -> Iterator[Execution]:
        """What one call uses, nobody else meanwhile; the GPU context is current inside."""
        context, engine = self._active()
        with context.active():
            with self._lock:
                execution = self._idle.pop() if self._idle else None
                if execution is None:
                    execution = self._new_execution(context, engine, self._cache)
            try:
                yield execution
            finally:
                settled = execution.settle()
                with self._lock:
                    kept = settled and self._engine is engine
                    if kept:
                        self._idle.append(execution)
                if not kept:
                    execution.close()

    def _new_execution(self, context: Context, engine: Any, cache: RuntimeCache | None) -> Execution:
        create = cache.execution_context if cache else engine.create_execution_context
        return Execution(context, create, self._ports, self.label, self.graphs)

    def _active(self) -> tuple[Context, Any]:
        context, engine = self._context, self._engine
        if context is None or engine is None:
            raise RuntimeError("the backend is not active: use it in a `with`, or call activate() first")
        return context, engine


def _ports(trt: ModuleType, engine: Any, label: str) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    found: dict[bool, list[Port]] = {True: [], False: []}
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        shape, kind = tuple(engine.get_tensor_shape(name)), engine.get_tensor_dtype(name).name
        if kind not in _DTYPES or min(shape, default=1) < 1:
            raise TosaEdgeError(
                f"{label} has {name} of {kind} {list(shape)}, and only fixed sizes of plain numbers are run",
                "Build it with `tosa-edge build`, whose engines have such.",
            )
        is_input = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
        found[is_input].append(Port(name, _DTYPES[kind], shape))
    if not found[True] or not found[False]:
        raise MachineLacks(f"{label} has no inputs or no outputs", "Build it again with `tosa-edge build`.")
    return tuple(found[True]), tuple(found[False])
