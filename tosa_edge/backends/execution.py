"""One call of a TensorRT engine at a time: its execution context, stream, buffers, and captured graph."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tosa_edge.cuda.arrays import DeviceArray, is_on_gpu, view
from tosa_edge.cuda.context import Context
from tosa_edge.cuda.driver import CudaError
from tosa_edge.cuda.graph import OFF, Replay
from tosa_edge.cuda.memory import DeviceMemory, HostMemory, Pool, copy
from tosa_edge.cuda.stream import Stream
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.interface import Port

_AGAIN = "Build it again with `tosa-edge build`, and validate it: tosa-edge validate ENGINE."


class Execution:
    """The buffers stay where they are, for a captured graph has their addresses in it.

    Made, used and closed while the context is current.

    Args:
        create: makes an execution context of the engine, or None where there is no memory for it.
    """

    def __init__(
        self,
        context: Context,
        create: Callable[[], Any],
        ports: tuple[tuple[Port, ...], tuple[Port, ...]],
        label: str,
        graphs: bool,
    ) -> None:
        self.context, self.label = context, label
        self.inputs, self.outputs = ports
        self._create: Any = create  # what it was made by is to outlive it
        self.trt_context = create()
        if self.trt_context is None:
            raise MachineLacks(
                f"TensorRT has no memory for running {label}",
                "Close other programs that use the GPU, or run fewer models and threads at once.",
            )
        self.stream = Stream(context)
        self.pool = Pool(context)
        self.extras: dict[str, Any] = {}  # of whoever uses this execution; closed with it
        self.held: list[Any] = []  # what must stay where it is until the call is done
        self.memory = {port.name: DeviceMemory(context, _nbytes(port)) for port in sum(ports, ())}
        self._hosts: dict[str, HostMemory] = {}
        for name, memory in self.memory.items():
            if not self.trt_context.set_tensor_address(name, memory.pointer):
                raise TosaEdgeError(f"TensorRT takes no address for {name} of {label}", _AGAIN)
        enqueue = partial(_enqueue, self.trt_context, self.stream.handle, label)
        self.replay: Any = Replay(self.stream, enqueue, label, None if graphs else OFF)
        # TensorRT-RTX knows beforehand; TensorRT finds out.
        asked = getattr(self.trt_context, "is_stream_capturable", None)
        if graphs and asked is not None and not asked(self.stream.handle):
            self.replay.give_up("TensorRT says that this engine's work cannot be captured")

    def feed(self, feeds: dict[str, Any], besides: str = "") -> None:
        """Queues what brings the inputs to their places, all or all `besides` one."""
        ports = [port for port in self.inputs if port.name != besides]
        if set(feeds) != {port.name for port in ports}:
            raise self._unfit(f"it was given {', '.join(sorted(feeds)) or 'nothing'}")
        for port in ports:
            value, memory = feeds[port.name], self.memory[port.name]
            if is_on_gpu(value):
                seen = view(value, self.stream)
                self._check(port, seen.shape, seen.dtype)
                if not seen.contiguous:
                    raise self._unfit(f"{port.name} has gaps between its rows, or axes in another order")
                # Within the GPU's own memory: microseconds, for a graph that need not be captured anew.
                copy(memory.pointer, seen.pointer, memory.nbytes, self.stream)
                self.held.append(seen)
            else:
                value = np.asarray(value)
                self._check(port, value.shape, value.dtype)
                host = self._host(port)
                np.copyto(host.array, value.reshape(port.shape))
                copy(memory.pointer, host.address, memory.nbytes, self.stream)

    def results_on_host(self) -> list[tuple[str, np.ndarray]]:
        """Copies: the next call may write over what they were copied from."""
        found = [(port.name, self.download(port)) for port in self.outputs]
        self.stream.synchronize()
        return [(name, array.copy()) for name, array in found]

    def download(self, port: Port) -> np.ndarray:
        """Queued: a view that holds the output once the stream is synchronised, and until the next call."""
        host = self._host(port)
        copy(host.address, self.memory[port.name].pointer, host.nbytes, self.stream)
        return host.array

    def results_on_gpu(self) -> list[tuple[str, DeviceArray]]:
        """In memory of their own, complete."""
        found = [(port.name, self.result(port)) for port in self.outputs]
        self.stream.synchronize()
        return found

    def result(self, port: Port) -> DeviceArray:
        """Queued: an output as it is after the work that was queued before."""
        memory = self.memory[port.name]
        lease = self.pool.take(memory.nbytes)
        copy(lease.pointer, memory.pointer, memory.nbytes, self.stream)
        return DeviceArray(self.context, lease, port.shape, port.dtype)

    def settle(self) -> bool:
        """Waits until nothing of it is under way; False when the GPU does not get there any more."""
        try:
            self.stream.synchronize()
        except CudaError:
            return False
        finally:
            self.held.clear()
        return True

    def close(self) -> None:
        with self.context.active():
            self.settle()
            self.replay.close()
            for extra in self.extras.values():
                extra.close()
            self.extras.clear()
            self.trt_context = self.replay = self._create = None
            for memory in self.memory.values():
                memory.close()
            for host in self._hosts.values():
                host.close()
            self.pool.close()
            self.stream.close()

    def _host(self, port: Port) -> HostMemory:
        if port.name not in self._hosts:
            self._hosts[port.name] = HostMemory(self.context, port.shape, port.dtype)
        return self._hosts[port.name]

    def _check(self, port: Port, shape: tuple[int, ...], dtype: np.dtype) -> None:
        alone = port.shape[1:] if port.shape[0] == 1 else port.shape  # one of a batch of one
        if tuple(shape) not in (port.shape, alone) or dtype != np.dtype(port.dtype):
            raise self._unfit(f"{port.name} is {dtype} {list(shape)}")

    def _unfit(self, what: str) -> TosaEdgeError:
        ports = ", ".join(f"{p.name} {p.dtype} {list(p.shape)}" for p in self.inputs)
        return TosaEdgeError(f"{self.label} did not run: {what}", f"Its inputs are: {ports}.")


def _nbytes(port: Port) -> int:
    return int(np.prod(port.shape)) * np.dtype(port.dtype).itemsize


def _enqueue(execution: Any, stream: int, label: str) -> None:
    if not execution.execute_async_v3(stream):
        raise TosaEdgeError(f"TensorRT did not run {label}; its log says why", _AGAIN)
