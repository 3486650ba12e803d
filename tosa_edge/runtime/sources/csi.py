"""A Jetson's CSI camera, through NVIDIA's element: `csi://0?size=1280x720&fps=30&flip=0`."""

from __future__ import annotations

from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime.sources.address import natural_number, rate, read_address, size
from tosa_edge.runtime.sources.gstreamer import GstreamerSession
from tosa_edge.runtime.sources.reconnecting import Reconnecting


class CsiSource(Reconnecting):
    def __init__(self, spec: str) -> None:
        pipeline = csi_pipeline(spec)
        super().__init__(lambda: GstreamerSession(spec, pipeline), spec)

    @staticmethod
    def accepts(spec: str) -> bool:
        return spec.startswith("csi://")


def csi_pipeline(spec: str) -> list[str]:
    """`flip` is nvvidconv's: 0 as it is, 2 upside down, which a camera on its head needs."""
    place, options = read_address(spec, size=size, fps=rate, flip=natural_number)
    if not place.isdecimal():
        raise TosaEdgeError(f"{spec} names no camera", "Give its number: csi://0 is the first.")
    width, height = options.get("size", (1280, 720))
    fps = _fraction(options.get("fps", 30))
    caps = f"video/x-raw(memory:NVMM),width={width},height={height},framerate={fps}"
    flip = f"flip-method={options.get('flip', 0)}"
    text = f"nvarguscamerasrc sensor-id={place} ! {caps} ! nvvidconv {flip} ! video/x-raw,format=BGRx"
    return text.split()


def _fraction(fps: float) -> str:
    return f"{round(fps * 1000)}/1000" if fps % 1 else f"{int(fps)}/1"
