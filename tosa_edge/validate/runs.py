"""Feeds through a backend: the one that `run` uses, for engines and for what they are compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tosa_edge.backends import Backend
from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.cuda.driver import CudaError
from tosa_edge.errors import MachineLacks, TosaEdgeError

if TYPE_CHECKING:
    import numpy as np

    from tosa_edge.graph import LoadedGraph

Feeds = list[dict[str, "np.ndarray"]]
OutputList = list[dict[str, "np.ndarray"]]


class RunFailed(TosaEdgeError):
    """A graph or an engine was there, and its backend gave an error instead of depth."""


def unoptimised(graph: LoadedGraph) -> OnnxRuntimeBackend:
    """Computes node for node what the graph says, on the CPU."""
    return OnnxRuntimeBackend(graph, optimise=False)


def outputs_of(backend: Backend, feeds: Feeds, on_run: Callable[[], None] = lambda: None) -> OutputList:
    """What a backend makes of each of the feeds, in their order.

    What a machine lacks is no fault of the engine's, and stays what it is; a crash on the GPU is one.
    """
    found = []
    backend.activate()
    try:
        for feed in feeds:
            found.append(backend.infer(feed))
            on_run()
    except TosaEdgeError as error:
        if isinstance(error, MachineLacks) and not (isinstance(error, CudaError) and error.fault):
            raise
        raise RunFailed(error.what, error.remedy) from error
    finally:
        backend.deactivate()
    return found
