"""A PyCUDA application that embeds an engine: picture and depth stay on the GPU, in its own context.

pip install 'tosa-edge[tensorrt,pycuda]'
tosa-edge build tosa_depth_s:fast --precision fp16 -o engines
python examples/pycuda_app.py engines/NAME.engine picture.jpg depth.npy
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tosa_edge import DepthModel, MachineLacks, TosaEdgeError

FRAMES = 20


@contextmanager
def application_context() -> Iterator[Any]:
    """PyCUDA's `gpuarray`, with a context of the application's own current in this thread."""
    try:
        import pycuda.driver as cuda
        from pycuda import gpuarray
    except ImportError as error:
        raise MachineLacks("PyCUDA is not installed", "pip install 'tosa-edge[pycuda]'") from error
    try:
        cuda.init()
        context = cuda.Device(0).make_context()
    except cuda.Error as error:
        raise MachineLacks(
            f"PyCUDA finds no GPU it can use: {error}", "See what `tosa-edge doctor` says of the GPU."
        ) from error
    try:
        yield gpuarray
    finally:
        context.pop()
        context.detach()


def run(engine: str, picture: str, out: Path) -> None:
    frame = cv2.imread(picture) if Path(picture).is_file() else None  # of what is not there OpenCV warns
    if frame is None:
        raise TosaEdgeError(f"{picture} cannot be read as a picture", "Give a .jpg or a .png.")
    # Loaded while the application's context is current, the engine lives in it. From then on any thread may
    # call the model, whatever is current there, and finds its own context as it left it.
    with application_context() as gpuarray, DepthModel.load(engine) as model:
        on_gpu = gpuarray.to_gpu(frame)
        for _ in range(FRAMES):
            prediction = model.predict(on_gpu, bgr=True)  # complete when it is there
        depth = prediction.depth
        # PyCUDA's view of the same memory. `base` keeps it: let go of the last one that does, and a later
        # frame may be written there.
        ours = gpuarray.GPUArray(depth.shape, depth.dtype, gpudata=depth.pointer, base=depth)
        with out.open("wb") as file:
            np.save(file, ours.get())
        times = ", ".join(f"{name} {taken:.2f}" for name, taken in prediction.times_ms.items())
        print(f"{model.label}: {depth.shape[1]}x{depth.shape[0]}, {times} ms; depth in {out}")
        # What is in the context goes before the context.
        del prediction, depth, ours, on_gpu


def main(arguments: list[str]) -> None:
    if len(arguments) != 3:
        raise TosaEdgeError(
            f"{len(arguments)} arguments, and three are needed", "Give an engine, a picture and an .npy file."
        )
    run(arguments[0], arguments[1], Path(arguments[2]))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except TosaEdgeError as error:
        print(error.what, error.remedy, sep="\n", file=sys.stderr)
        sys.exit(error.exit_code)
