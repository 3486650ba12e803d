"""The GPU runtime with a stand-in for TensorRT's engine: PyTorch on the addresses and stream it is given.

On a GPU this shows contexts, memory, streams, capture, the kernels that fit frames, and arrays of PyTorch and
CuPy; on the tests' driver ONNX Runtime stands in, and arrays that behave as theirs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests import tiny
from tests.fake_gpu import models
from tests.fake_gpu import trt as stand_in
from tests.gpu.cubin_launch import machine
from tests.gpu.results import Results, Row
from tosa_edge.backends.tensorrt import TensorRtBackend
from tosa_edge.cuda.frame_runner import FrameRunner
from tosa_edge.graph_info import GraphInfo
from tosa_edge.pictures.fit import fit_for

SIZE = (252, 336)
FRAME, WALKED_FRAME = (480, 640), (61, 90)
MODES = ("letterbox", "stretch", "crop")
LEVEL = 1 / 255  # of a colour, and so of the depth that the stand-in makes of it
FRAMES_A_THREAD = 20


class TorchEngine:
    """As much of TensorRT's engine as the backend asks for. Depth is the mean of a pixel's three colours."""

    num_io_tensors = 2

    def __init__(self, about: GraphInfo) -> None:
        image = (1, about.height, about.width, 3)
        self.ports = {
            "image": (image, stand_in.DataType.UINT8),
            "depth": (image[:3], stand_in.DataType.FLOAT),
        }

    def get_tensor_name(self, number: int) -> str:
        return list(self.ports)[number]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.ports[name][0]

    def get_tensor_dtype(self, name: str) -> Any:
        return self.ports[name][1]

    def get_tensor_mode(self, name: str) -> Any:
        return stand_in.TensorIOMode.INPUT if name == "image" else stand_in.TensorIOMode.OUTPUT

    def create_execution_context(self) -> TorchContext:
        return TorchContext(self)


class TorchContext:
    """Nothing is allocated while it runs, so that its work can be captured."""

    def __init__(self, engine: TorchEngine) -> None:
        import torch

        self._engine, self._at = engine, dict[str, Any]()
        self._wide = torch.empty(engine.get_tensor_shape("image"), device="cuda")
        torch.cuda.synchronize()

    def set_tensor_address(self, name: str, address: int) -> bool:
        import torch

        kind = {"image": "|u1", "depth": "<f4"}[name]
        about = {
            "shape": self._engine.get_tensor_shape(name),
            "typestr": kind,
            "data": (address, False),
            "version": 2,
        }
        self._at[name] = torch.as_tensor(SimpleNamespace(__cuda_array_interface__=about), device="cuda")
        return self._at[name].data_ptr() == address

    def execute_async_v3(self, stream: int) -> bool:
        import torch

        with torch.cuda.stream(torch.cuda.ExternalStream(stream)):
            self._wide.copy_(self._at["image"])
            torch.mean(self._wide, -1, out=self._at["depth"])
            self._at["depth"].mul_(LEVEL)
        return True


def run(results: Results, walk: bool) -> None:
    about = tiny.info() if walk else tiny.info(height=SIZE[0], width=SIZE[1])
    with machine(walk) as here:
        backend = (
            models.open_tensorrt(stand_in.module(), about)
            if walk
            else TensorRtBackend(stand_in.module(), lambda: b"", lambda _: TorchEngine(about), "stand-in")
        )
        results.attempt("activate", lambda: backend.activate() or {})
        frames = [tiny.picture(*(WALKED_FRAME if walk else FRAME), seed=seed) for seed in range(4)]
        results.attempt("arrays of the host", partial(_host_arrays, backend, about))
        for mode in MODES:
            for bgr in (False, True):
                at = partial(_fitted, backend, about, frames[0], mode, bgr)
                results.attempt(f"a frame of the host, {mode}{', bgr' if bgr else ''}", at)
        makers = _walked_arrays() if walk else _arrays()
        for name, make in makers.items():
            with backend.acquire():
                results.attempt(f"a frame of {name}", partial(_of_others, backend, about, frames[1], make))
        results.attempt("replayed as a graph", partial(_replayed, backend, about))
        results.attempt("two threads", partial(_threads, backend, about, frames))
        backend.deactivate()
        del here


def _right(about: GraphInfo, frame: np.ndarray, mode: str = "letterbox", bgr: bool = False) -> np.ndarray:
    """By OpenCV, on the CPU."""
    fit = fit_for(frame.shape[:2], (about.height, about.width), mode)
    return fit.backward(tiny.expected_depth(fit.forward(frame, bgr)))


def _predict(backend: Any, about: GraphInfo, frame: Any, mode: str = "letterbox", bgr: bool = False) -> Any:
    with backend.acquire() as execution:
        fitting = lambda size: fit_for(size, (about.height, about.width), mode)  # noqa: E731
        return FrameRunner.of(execution).run(frame, fitting, bgr, {})


def _apart(ours: np.ndarray, right: np.ndarray, levels: float = 2.0) -> Row:
    """OpenCV rounds its weights to 11 bits: up to two levels of a colour."""
    worst = float(np.abs(ours - right).max())
    return {
        "passed": ours.shape == right.shape and worst <= levels * LEVEL + 1e-5,
        "levels_apart": worst / LEVEL,
    }


def _host_arrays(backend: Any, about: GraphInfo) -> Row:
    pictures = [tiny.picture(about.height, about.width, seed=seed) for seed in range(4)]
    found = [backend.infer({"image": picture[None]})["depth"][0] for picture in pictures]
    rows = [_apart(ours, tiny.expected_depth(p), levels=0.0) for ours, p in zip(found, pictures, strict=True)]
    return {"passed": all(row["passed"] for row in rows)}


def _fitted(backend: Any, about: GraphInfo, frame: np.ndarray, mode: str, bgr: bool) -> Row:
    outcome = _predict(backend, about, frame, mode, bgr)
    return _apart(outcome.depth, _right(about, frame, mode, bgr))


def _of_others(backend: Any, about: GraphInfo, frame: np.ndarray, make: Callable) -> Row:
    """Read without a copy; and what comes back is read by its library without one."""
    given, read_back, done = make(frame)
    outcome = _predict(backend, about, given)
    pointer, back = read_back(outcome.depth)
    row = _apart(back, _right(about, frame))
    row["passed"] = (
        row["passed"] and pointer == outcome.depth.pointer and np.array_equal(back, outcome.depth.numpy())
    )
    done()
    return row


def _replayed(backend: Any, about: GraphInfo) -> Row:
    for _ in range(2):
        backend.infer({"image": tiny.picture(about.height, about.width)[None]})
    with backend.acquire() as execution:
        return {
            "passed": execution.replay.captured and execution.replay.refused is None,
            "refused": execution.replay.refused,
        }


def _threads(backend: Any, about: GraphInfo, frames: list[np.ndarray]) -> Row:
    answers: dict[int, list[np.ndarray]] = {}
    barrier = threading.Barrier(2)

    def work(number: int) -> None:
        barrier.wait()
        answers[number] = [_predict(backend, about, frames[number]).depth for _ in range(FRAMES_A_THREAD)]

    threads = [threading.Thread(target=work, args=(number,)) for number in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = {number: found[0] for number, found in answers.items()}
    same = all(np.array_equal(depth, first[n]) for n, found in answers.items() for depth in found)
    rows = [_apart(depth, _right(about, frames[number])) for number, depth in first.items()]
    return {"passed": len(first) == 2 and same and all(row["passed"] for row in rows), "same_bits": same}


def _arrays() -> dict[str, Callable]:
    """A frame as another library has it, how that reads ours back (where, and what), and how it ends."""

    def of_torch(frame: np.ndarray, strided: bool = False) -> tuple[Any, Callable, Callable]:
        import torch

        with torch.cuda.stream(torch.cuda.Stream()):
            given = torch.from_numpy(frame).cuda()
            if strided:
                given = given.permute(2, 0, 1).contiguous().permute(1, 2, 0)
            torch.cuda.current_stream().synchronize()

        def back(ours: Any) -> tuple[int, np.ndarray]:
            tensor = torch.from_dlpack(ours)
            return tensor.data_ptr(), tensor.cpu().numpy()

        return given, back, lambda: None

    def of_cupy(frame: np.ndarray, interface: bool = False) -> tuple[Any, Callable, Callable]:
        import cupy

        def back(ours: Any) -> tuple[int, np.ndarray]:
            array = cupy.asarray(ours) if interface else cupy.from_dlpack(ours)
            return int(array.data.ptr), array.get()

        return cupy.asarray(frame), back, lambda: None

    return {
        "PyTorch": of_torch,
        "PyTorch, colours first": partial(of_torch, strided=True),
        "CuPy": of_cupy,
        "CuPy, by its interface": partial(of_cupy, interface=True),
    }


def _walked_arrays() -> dict[str, Callable]:
    from tests.fake_gpu.machine import Foreign, OfTorch
    from tosa_edge.cuda.context import Context
    from tosa_edge.cuda.stream import Stream

    def of_torch(frame: np.ndarray) -> tuple[Any, Callable, Callable]:
        producer = Stream(Context.here())
        array = Foreign(frame, stream=producer.handle)
        return OfTorch(array, producer), lambda ours: (ours.pointer, ours.numpy()), array.free

    def of_pycuda(frame: np.ndarray) -> tuple[Any, Callable, Callable]:
        array = Foreign(frame)
        return array, lambda ours: (ours.pointer, ours.numpy()), array.free

    return {"PyTorch": of_torch, "PyCUDA": of_pycuda}
