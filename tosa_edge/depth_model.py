"""`DepthModel`: frames in, depth at the frame's own size out."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from tosa_edge.backends import Backend
from tosa_edge.backends.opening import open_model
from tosa_edge.cuda.arrays import is_on_gpu
from tosa_edge.engine.providers import AUTO
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.find_model import DEFAULT_MODEL
from tosa_edge.graph_info import GraphInfo
from tosa_edge.interface import check_interface, check_outputs
from tosa_edge.pictures.fit import Fit, check_mode, fit_for


@dataclass(frozen=True)
class Prediction:
    """What one frame gave.

    depth: float32 [H, W] at the frame's size; `relative_inverse_depth` is larger where it is nearer.
    kept: int32 [G, K], the patches each selection kept, in raster order; None where nothing is selected.
    fit: how the frame was fitted into the graph, to draw `kept` over the frame.
    times_ms: `prepare`, `infer` and `restore`.
    represented_by: int32 [G, N], the row that stood for each patch; None where each stood for itself.

    For a frame on the GPU all but the times are `DeviceArray`s, complete and yours while you hold them.
    """

    depth: Any
    kept: Any
    fit: Fit
    times_ms: dict[str, float]
    represented_by: Any = None


class DepthModel:
    """A depth model ready to be called.

    Example:
        >>> model = DepthModel.load("tosa_depth_s")
        >>> depth = model(frame)                  # uint8 [H, W, 3] RGB -> float32 [H, W]
        >>> depth = model(cv2.imread(path), bgr=True)
        >>> depths = model(frames)                # uint8 [B, H, W, 3] -> float32 [B, H, W]
        >>> on_gpu = DepthModel.load("engines/NAME.engine")(torch_or_cupy_or_pycuda_array)

    Any thread may call, and several at once. An engine of TensorRT lives in the CUDA context that was current
    when it was loaded (the device's primary one where none was), whatever is current where it is called.

    Attributes:
        provider: of ONNX Runtime, where that is the backend.
        fit_on_gpu: whether frames of the host are fitted and depth brought back by the GPU, where the graph
            runs on one; False leaves that to OpenCV.
    """

    refreshed = 1.0  # to a pipeline: the tokens of every frame are chosen anew

    def __init__(self, backend: Backend, info: GraphInfo, label: str, fit: str = "letterbox") -> None:
        check_mode(fit)
        require_depth(info, label)
        if info.batch != 1:
            raise TosaEdgeError(
                f"{label} takes {info.batch} pictures at once; frames come one at a time",
                "Export the model with `--batch 1`.",
            )
        self.info = info
        self.label = label
        self.fit = fit
        self._backend = backend
        self._closed = False
        backend.activate()
        self.provider = backend.provider
        check_ports(backend, info, label)
        self._takes_kept = any(port.name == "kept" for port in backend.inputs)
        self._acquire = backend.acquire
        try:
            self.fit_on_gpu = backend.can_acquire and self._fits_on_gpu()
        except BaseException:
            backend.deactivate()
            raise

    @classmethod
    def load(
        cls,
        spec: str = DEFAULT_MODEL,
        *,
        fit: str = "letterbox",
        threads: int = 0,
        provider: str = AUTO,
    ) -> DepthModel:
        """A bundled name, a model folder, an `.onnx` file or an engine.

        Args:
            threads: of the CPU; 0 is one for each core.
            provider: what computes for ONNX Runtime: cpu, cuda, tensorrt, rtx, or the best that starts.
        """
        check_mode(fit)
        opened = open_model(spec, threads, provider)
        return cls(opened.backend, opened.info, opened.label, fit)

    def __call__(self, frame: Any, bgr: bool = False) -> Any:
        """uint8 [H, W, 3] -> float32 [H, W], on the side the frame is on.

        Or a batch on the host, [B, H, W, 3] -> [B, H, W], one frame after the other.
        """
        if not is_on_gpu(frame) and is_batch(frame):
            _check_batch(frame)
            return np.stack([self.predict(one, bgr).depth for one in frame])
        return self.predict(frame, bgr).depth

    def predict(self, frame: Any, bgr: bool = False, kept: Any = None) -> Prediction:
        """Depth with the kept patches and the time of each stage.

        Args:
            frame: uint8 [H, W, 3], or float in 0..1; RGB, or OpenCV's BGR with `bgr=True`. For an engine also
                uint8 on the GPU: whatever has `__cuda_array_interface__` or DLPack, with any steps.
            kept: int32 [G, K], which a reuse graph needs and no other takes.
        """
        if self._closed:
            raise TosaEdgeError(
                f"{self.label} is closed", "Load it again, or call it inside its `with` block."
            )
        began = time.perf_counter()
        if is_on_gpu(frame) or self.fit_on_gpu:
            return self._predict_on_gpu(frame, bgr, kept)
        picture = as_rgb_uint8(frame)
        fit = fit_for((picture.shape[0], picture.shape[1]), (self.info.height, self.info.width), self.fit)
        image = fit.forward(picture, bgr)
        feeds = {"image": image[None], **self._reused(kept)}
        prepared = time.perf_counter()
        outputs = self._backend.infer(feeds)
        check_answer(outputs, self.info, self.label)
        inferred = time.perf_counter()
        depth = fit.backward(outputs["depth"][0].astype(np.float32, copy=False))
        chosen = outputs["kept"][0] if "kept" in outputs else kept
        represented_by = outputs["represented_by"][0] if "represented_by" in outputs else None
        times = (prepared - began, inferred - prepared, time.perf_counter() - inferred)
        return Prediction(
            depth,
            chosen,
            fit,
            dict(zip(("prepare", "infer", "restore"), (1000 * t for t in times), strict=True)),
            represented_by,
        )

    def predict_next(self, frame: np.ndarray, stream: int = 0) -> Prediction:
        """A frame of one of several streams: to this model each frame is the first."""
        return self.predict(frame)

    def warm_up(self, frame: np.ndarray) -> None:
        """Takes the memory and the time that the first run of a graph takes."""
        self.predict(frame)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._backend.deactivate()

    def __enter__(self) -> DepthModel:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _predict_on_gpu(self, frame: Any, bgr: bool, kept: Any) -> Prediction:
        if not self._backend.can_acquire:
            raise TosaEdgeError(
                f"the frame is on a GPU, and {self.label} runs on the CPU",
                "Copy it to the host, or load an engine: tosa-edge build --backend tensorrt.",
            )
        from tosa_edge.cuda.frame_runner import FrameRunner

        size = self.info.height, self.info.width
        picture = frame if is_on_gpu(frame) else as_rgb_uint8(frame)
        feeds = self._reused(kept)
        with self._acquire() as execution:
            found = FrameRunner.of(execution).run(
                picture, lambda shape: fit_for(shape, size, self.fit), bgr, feeds
            )
        rows = found.tokens if self.info.ways else None
        chosen = kept if found.tokens is None or self.info.ways else found.tokens
        return Prediction(found.depth, chosen, found.fit, found.times_ms, rows)

    def _fits_on_gpu(self) -> bool:
        """The kernels are there, and this GPU's driver takes them."""
        from tosa_edge.cuda.frame_runner import FrameRunner

        try:
            with self._acquire() as execution:
                FrameRunner.of(execution)
        except MachineLacks as error:
            logging.getLogger("tosa_edge").warning(
                "%s: frames are fitted by the CPU, which costs time with each: %s", self.label, error.what
            )
            return False
        return True

    def _reused(self, kept: Any) -> dict[str, Any]:
        if self._takes_kept and kept is None:
            raise TosaEdgeError(
                f"{self.label} is a reuse graph: it needs the patches another graph kept",
                "Give `predict` the `kept` of an earlier prediction, or use the graph without `.reuse`.",
            )
        if kept is None:
            return {}
        if not self._takes_kept:
            raise TosaEdgeError(
                f"{self.label} chooses its own patches", "Call it without `kept`, or load `.reuse`."
            )
        return {"kept": kept if is_on_gpu(kept) else self._checked_kept(kept)[None]}

    def _checked_kept(self, kept: Any) -> np.ndarray:
        """Patches of the picture: others would be read from wherever they point."""
        shape = len(self.info.selections), self.info.kept
        found = np.asarray(kept)
        if not np.issubdtype(found.dtype, np.integer) or found.shape != shape:
            raise TosaEdgeError(
                f"`kept` is {found.dtype} {list(found.shape)}, and {self.label} takes int32 {list(shape)}",
                "Give the `kept` of an earlier prediction.",
            )
        if found.min() < 0 or found.max() >= self.info.tokens:
            raise TosaEdgeError(
                f"`kept` runs from {found.min()} to {found.max()}, and there are {self.info.tokens} patches",
                f"Patches are 0 to {self.info.tokens - 1}; give the `kept` of an earlier prediction.",
            )
        return np.ascontiguousarray(found, dtype=np.int32)


def require_depth(info: GraphInfo, label: str) -> None:
    if info.classifies:
        raise TosaEdgeError(
            f"{label} is a classifier: it gives no depth",
            "Call it as a tosa_edge.ClassModel; evaluate, bench, calibrate, build and validate take it too.",
        )


def is_batch(frame: Any) -> bool:
    """Several frames: an array [B, H, W, 3], or a list of frames; but nested lists may be one picture."""
    if not isinstance(frame, (list, tuple)):
        return getattr(frame, "ndim", None) == 4
    try:
        return np.ndim(frame) not in (2, 3)
    except (TypeError, ValueError):  # frames of several sizes, None among them, or frames on a GPU
        return True


def _check_batch(frames: Any) -> None:
    """What is wrong with the frames together; `as_rgb_uint8` checks each by itself later."""
    if not len(frames):
        raise TosaEdgeError("the batch holds no frames", "Give at least one: [1, H, W, 3].")
    if isinstance(frames, (list, tuple)) and any(map(is_on_gpu, frames)):
        raise TosaEdgeError("the batch holds frames on a GPU", "Call the model with one at a time.")
    for index, one in enumerate(frames):
        if one is None:
            raise TosaEdgeError(
                f"frame {index} of the batch is None", "cv2.imread gives None for a file that it cannot read."
            )
    sizes = list(dict.fromkeys(np.shape(one)[:2] for one in frames))
    if len(sizes) > 1:
        raise TosaEdgeError(
            f"the batch holds frames of different sizes, {list(sizes[0])} and {list(sizes[1])}",
            "Call the model with one at a time: [model(frame) for frame in frames].",
        )


def as_rgb_uint8(frame: Any) -> np.ndarray:
    """The frame as uint8 [H, W, 3], or an error that says what it should have been."""
    if frame is None:
        raise TosaEdgeError(
            "the frame is None", "cv2.imread gives None for a file that it cannot read: check its path."
        )
    if isinstance(frame, (str, os.PathLike)):
        raise TosaEdgeError(
            f"the frame is a path, {os.fspath(frame)!r}, and not a picture",
            "Read it first: cv2.imread(path) with bgr=True, or `for frame in open_source(path)`.",
        )
    frame = np.asarray(frame)
    if frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise TosaEdgeError(*_shape_text(frame.shape))
    if frame.dtype == np.uint8:
        return frame
    if not np.issubdtype(frame.dtype, np.floating):
        raise TosaEdgeError(
            f"a frame of {frame.dtype} is neither uint8 nor float",
            "Scale it to 0..255 and use .astype(np.uint8).",
        )
    if not np.isfinite(frame).all():
        raise TosaEdgeError(
            "the frame holds NaN or infinity", "Mend what made it: pictures are finite numbers."
        )
    if frame.min() < 0 or frame.max() > 1:
        raise TosaEdgeError(
            f"a float frame runs from {frame.min():.3g} to {frame.max():.3g}, not within 0..1",
            "Divide it by its largest possible value, or give uint8.",
        )
    return np.round(frame * 255).astype(np.uint8)


def _shape_text(shape: tuple[int, ...]) -> tuple[str, str]:
    """What an array of this shape is instead of a colour picture, and what makes one of it."""
    said = list(shape)
    if 0 in shape:
        return f"a frame of shape {said} is empty", "Check what it was cut out of."
    if len(shape) == 4:
        return f"{said} is a batch, and `predict` takes one frame", "Call the model itself with a batch."
    if len(shape) == 2 or (len(shape) == 3 and shape[2] == 1):
        return f"a frame of shape {said} is grey", "Convert it: cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB)."
    if len(shape) == 3 and shape[2] == 4:
        return f"a frame of shape {said} has a fourth channel, alpha", "Leave it out: frame[..., :3]."
    if len(shape) == 3 and shape[0] == 3:
        return f"a frame of shape {said} has its colours first", "Put them last: frame.transpose(1, 2, 0)."
    return f"a frame of shape {said} is not a colour picture [height, width, 3]", "Give RGB, uint8 [H, W, 3]."


def check_ports(backend: Backend, info: GraphInfo, label: str) -> None:
    """What a backend says of an engine is held to what its manifest, or its graph, says; or it is let go."""
    try:
        if backend.inputs:
            check_interface(info, backend.inputs, backend.outputs)
    except ValueError as error:
        backend.deactivate()
        raise TosaEdgeError(
            f"{label} {error}", "Build or export it again: its parts do not belong together."
        ) from error


def check_answer(outputs: dict[str, np.ndarray], info: GraphInfo, label: str) -> None:
    try:
        check_outputs(info, outputs)
    except ValueError as error:
        raise TosaEdgeError(
            f"{label} {error}", "Export it again: the graph is not what it says it is."
        ) from error
