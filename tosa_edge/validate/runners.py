"""Running graphs and engines through Polygraphy, whose runners are the same for every host.

An ONNX Runtime session, a TensorRT engine and a TensorRT-RTX engine answer the same `infer` there, so that
what compares them need not know which it has. Without a GPU only the first of the three has ever been run
here; `docs/hardware.md` says what was verified where.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tosa_edge.backends import Activated, Port
from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend
from tosa_edge.engine import TENSORRT_RTX
from tosa_edge.errors import MachineLacks, TosaEdgeError

if TYPE_CHECKING:
    import numpy as np

    from tosa_edge.graph import LoadedGraph

Feeds = list[dict[str, "np.ndarray"]]
Outputs = list[dict[str, "np.ndarray"]]
# Polygraphy reads it once, when it is imported: TensorRT-RTX in the place of TensorRT.
RTX_SWITCH = "POLYGRAPHY_USE_TENSORRT_RTX"
_NOTHING = 1000  # above its most severe level: it writes to stdout, and what it raises is told by us


class DidNotRun(TosaEdgeError):
    """A graph or an engine was there, and its host gave an error instead of depth."""


def require_polygraphy() -> None:
    try:
        import polygraphy  # noqa: F401
    except ImportError as error:
        raise MachineLacks(
            "engines are compared through Polygraphy, which is not installed", "pip install polygraphy"
        ) from error


def on_onnxruntime(graph: LoadedGraph, optimise: bool = True) -> Any:
    """A runner of one graph; not `optimise`d it computes node for node what the graph says."""
    from polygraphy.backend.onnxrt import OnnxrtRunner

    def session() -> Any:
        backend = OnnxRuntimeBackend(graph, optimise=optimise)
        backend.activate()
        return backend.session

    return OnnxrtRunner(session, name=graph.label)


def on_tensorrt(plan: bytes, backend: str, label: str) -> Any:
    """A runner of a serialised engine, which has been compared with this machine before.

    Not verified on a GPU: as far as a machine without one goes, the runner is made and not activated.
    """
    choose_tensorrt(backend)
    from polygraphy.backend.trt import EngineFromBytes, TrtRunner

    return TrtRunner(EngineFromBytes(plan), name=label)


def choose_tensorrt(backend: str) -> None:
    """Tells Polygraphy which of the two TensorRTs this process is about: there can be only one of them."""
    rtx = backend == TENSORRT_RTX
    os.environ[RTX_SWITCH] = str(int(rtx))
    from polygraphy import config

    if rtx != config.USE_TENSORRT_RTX:
        if "polygraphy.backend.trt" in sys.modules:
            raise TosaEdgeError(
                "this process has compared engines of the other TensorRT already",
                "Validate engines of TensorRT and of TensorRT-RTX in two processes.",
            )
        config.USE_TENSORRT_RTX = rtx


def outputs_of(runner: Any, feeds: Feeds, on_run: Callable[[], None] = lambda: None) -> Outputs:
    """What a runner makes of each of the feeds, in their order."""
    from polygraphy.comparator import Comparator

    infer = runner.infer

    def told(*arguments: Any, **named: Any) -> Any:
        found = infer(*arguments, **named)
        on_run()
        return found

    runner.infer = told
    try:
        with quiet():
            ((_, results),) = Comparator.run([runner], data_loader=feeds).items()
    except TosaEdgeError:
        raise
    except Exception as error:  # the hosts' exceptions share no base class below Exception
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DidNotRun(
            f"{runner.name} did not run: {line[:300]}", "Build it again with `tosa-edge build`."
        ) from error
    finally:
        del runner.infer
    return [dict(result.items()) for result in results]


def saved(feeds: Feeds, path: str) -> None:
    """Feeds as Polygraphy's `--load-inputs` takes them."""
    from polygraphy.json import save_json

    with quiet():
        save_json(feeds, path)


def saved_outputs(outputs: Outputs, label: str, path: str) -> None:
    """Outputs as Polygraphy's `--load-outputs` takes them."""
    from polygraphy.comparator import RunResults

    with quiet():
        results = RunResults()
        results.add(outputs, runner_name=label)
        results.save(path)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Polygraphy says nothing, and does not import torch to see whether an array is a tensor of it."""
    from polygraphy.logger import G_LOGGER

    hidden = "torch" not in sys.modules
    if hidden:
        sys.modules["torch"] = None  # type: ignore[assignment] # an import of it fails at once
    try:
        with G_LOGGER.verbosity(_NOTHING):
            yield
    finally:
        if hidden:
            del sys.modules["torch"]


class RunnerBackend(Activated):
    """A Polygraphy runner in the place of a backend, for `DepthModel`; its graph takes pictures only."""

    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self._active = False

    def activate(self) -> None:
        if not self._active:
            with quiet():
                self._runner.activate()
            self._active = True

    def infer(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.activate()
        with quiet():
            return dict(self._runner.infer(feeds))

    def deactivate(self) -> None:
        if self._active:
            with quiet():
                self._runner.deactivate()
            self._active = False
