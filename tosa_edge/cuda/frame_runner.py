"""A frame to depth with everything on the GPU: fitted, run, and brought back to the frame's size.

A frame of the host goes up as it is, and its depth comes down at the frame's size; a frame of the GPU stays
where it is, and its depth does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tosa_edge.cuda.arrays import DeviceArray, View, is_on_gpu, packed, view
from tosa_edge.cuda.kernels import LARGEST, Kernels
from tosa_edge.cuda.memory import Staging
from tosa_edge.cuda.stream import Event
from tosa_edge.errors import TosaEdgeError
from tosa_edge.pictures.fit import Fit

if TYPE_CHECKING:
    from tosa_edge.backends.execution import Execution

FitFor = Callable[[tuple[int, int]], Fit]
Pair = tuple[Any, Any]
TOKENS = ("kept", "represented_by")  # one of them at most is an output


@dataclass(frozen=True)
class Outcome:
    """`depth` [H, W] and what was done with the tokens, `kept` [G, K] or `represented_by` [G, N], on the side
    the frame came from; milliseconds of each stage."""

    depth: Any
    tokens: Any
    fit: Fit
    times_ms: dict[str, float]


class FrameRunner:
    """What an execution needs for frames; made once for each."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        ends = {port.name: port.dtype for port in (*execution.inputs, *execution.outputs)}
        if (ends.get("image"), ends.get("depth")) != ("uint8", "float32"):
            raise TosaEdgeError(
                f"{execution.label} does not turn an `image` of uint8 into a `depth` of float32",
                "Build it with `tosa-edge build` from a MODEL of tosa-edge.",
            )
        self._kernels = Kernels(execution.context)
        self._marks = [Event(execution.context, timed=True) for _ in range(3)]
        self._staged: dict[str, Staging] = {}

    @classmethod
    def of(cls, execution: Execution) -> FrameRunner:
        if "frames" not in execution.extras:
            execution.extras["frames"] = cls(execution)
        return execution.extras["frames"]

    def run(self, frame: Any, fit_for: FitFor, bgr: bool, feeds: dict[str, Any]) -> Outcome:
        """`frame` is uint8 [H, W, 3] of either side; `feeds` what the graph takes besides `image`."""
        began = time.perf_counter()
        execution, stream = self._execution, self._execution.stream
        execution.feed(feeds, besides="image")
        on_gpu = is_on_gpu(frame)
        seen = check_gpu_frame(view(frame, stream) if on_gpu else self._uploaded(frame))
        fit = fit_for((seen.shape[0], seen.shape[1]))
        image, field = execution.memory["image"].pointer, execution.memory["depth"].pointer
        self._kernels.fit_frame(image, seen.pointer, seen.strides, fit, bgr, stream)
        self._marks[0].record(stream.handle)
        execution.replay()
        self._marks[1].record(stream.handle)
        give = self._back_on_gpu(field, fit) if on_gpu else self._back_on_host(field, fit)
        self._marks[2].record(stream.handle)
        stream.synchronize()
        done = time.perf_counter()
        depth, tokens = give()
        infer = self._marks[1].milliseconds_since(self._marks[0])
        restore = self._marks[2].milliseconds_since(self._marks[1])
        # What the GPU's own clock does not see is the host's work before it, and the copy after it.
        prepare = max(1000 * (done - began) - infer - restore, 0.0)
        restore += 1000 * (time.perf_counter() - done)
        return Outcome(depth, tokens, fit, {"prepare": prepare, "infer": infer, "restore": restore})

    def _uploaded(self, frame: np.ndarray) -> View:
        staged = self._staging("frame", frame.shape, "uint8")
        np.copyto(staged.host, frame)
        staged.upload(self._execution.stream)
        return View(staged.pointer, frame.shape, packed(frame.shape, 1), frame.dtype, staged)

    def _back_on_gpu(self, field: int, fit: Fit) -> Callable[[], Pair]:
        execution = self._execution
        lease = execution.pool.take(4 * fit.frame_size[0] * fit.frame_size[1])
        self._kernels.restore_depth(lease.pointer, field, fit, execution.stream)
        tokens = next(
            (execution.result(port).first() for port in execution.outputs if port.name in TOKENS), None
        )
        return lambda: (DeviceArray(execution.context, lease, fit.frame_size, "float32"), tokens)

    def _back_on_host(self, field: int, fit: Fit) -> Callable[[], Pair]:
        execution = self._execution
        staged = self._staging("depth", fit.frame_size, "float32", mapped=execution.context.integrated)
        self._kernels.restore_depth(staged.pointer, field, fit, execution.stream)
        staged.download(execution.stream)
        tokens = next((execution.download(port) for port in execution.outputs if port.name in TOKENS), None)
        # Copies: the next frame is written where these were.
        return lambda: (staged.host.copy(), None if tokens is None else tokens[0].copy())

    def _staging(self, name: str, shape: tuple[int, ...], dtype: str, mapped: bool = False) -> Staging:
        """One for each use; made anew when a camera changes its size."""
        staged = self._staged.get(name)
        if staged is None or staged.host.shape != shape:
            if staged is not None:
                staged.close()
            staged = self._staged[name] = Staging(self._execution.context, shape, dtype, mapped)
        return staged

    def close(self) -> None:
        for staged in self._staged.values():
            staged.close()
        for mark in self._marks:
            mark.close()
        self._kernels.close()


def check_gpu_frame(frame: View) -> View:
    """What `DepthModel` asks of a picture, as far as it can be seen from the host."""
    if len(frame.shape) != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise TosaEdgeError(
            f"an array of shape {list(frame.shape)} is not a colour picture [height, width, 3]",
            "Convert it first; where colours come first, as in PyTorch, with .permute(1, 2, 0).",
        )
    if frame.dtype != np.uint8:
        raise TosaEdgeError(
            f"a frame of {frame.dtype} on the GPU is not uint8", "Scale it to 0..255 and convert it there."
        )
    if max(frame.shape) > LARGEST:
        raise TosaEdgeError(
            f"a frame of {frame.shape[0]} x {frame.shape[1]} is larger than the GPU's kernels can count",
            f"Give frames of at most {LARGEST} pixels a side.",
        )
    return frame
