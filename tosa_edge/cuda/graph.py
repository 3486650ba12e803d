"""The same work, each time: captured once, launched as a whole from then on.

What cannot be captured (a layer that waits, an allocation in the middle, an old driver) runs as it did
before, and one line says so, with the reason.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from tosa_edge.cuda.driver import CudaError, bindings, call
from tosa_edge.cuda.stream import Stream
from tosa_edge.errors import TosaEdgeError

OFF = "off, as was asked for"


class Replay:
    """`enqueue` on `stream`, again and again, with everything at the addresses it has now.

    Capture is local to the calling thread: a camera or a display may use CUDA meanwhile.

    Attributes:
        refused: why work is queued piece by piece; None while it is, or is about to be, a graph.
    """

    def __init__(
        self, stream: Stream, enqueue: Callable[[], None], label: str, refused: str | None = None
    ) -> None:
        self.refused = refused
        self._stream, self._enqueue, self._label = stream, enqueue, label
        self._graph: Any = None
        self._end: Callable[[], Any] = lambda: None

    @property
    def captured(self) -> bool:
        return self._graph is not None

    def __call__(self) -> None:
        """Queues the work; the context is current, and the stream's earlier work may be under way."""
        if self._graph is not None:
            try:
                call("cuGraphLaunch", self._graph, self._stream.handle)
                return
            except CudaError as error:
                self.give_up(str(error.what))
        self._enqueue()
        if self.refused is None:
            self._stream.synchronize()  # what is set up in a first run must not end up in the graph
            try:
                self._graph = self._capture()
            except TosaEdgeError as error:
                self.give_up(error.what)

    def _capture(self) -> Any:
        stream = self._stream.handle
        call(
            "cuStreamBeginCapture", stream, bindings().CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        )
        try:
            self._enqueue()
        except BaseException:
            _abandon(stream)
            raise
        graph = call("cuStreamEndCapture", stream)
        try:
            made = call("cuGraphInstantiate", graph, 0)
        finally:
            call("cuGraphDestroy", graph)
        self._end = self._stream.context.give_back(self, "cuGraphExecDestroy", made)
        return made

    def give_up(self, reason: str) -> None:
        """From now on piece by piece, and said so."""
        self.close()
        self.refused = reason
        logging.getLogger("tosa_edge").warning(
            "%s runs without a CUDA graph, which costs time with each frame: %s", self._label, reason
        )

    def close(self) -> None:
        self._graph = None
        self._end()


def _abandon(stream: int) -> None:
    """The stream works again, whatever became of the capture."""
    try:
        graph = call("cuStreamEndCapture", stream)
    except CudaError:
        return
    if graph is not None and int(graph):
        call("cuGraphDestroy", graph)
