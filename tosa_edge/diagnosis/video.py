"""Videos, cameras and streams: what can be read and written here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tosa_edge.diagnosis.finding import Finding, finding

_H264 = ("nvv4l2decoder", "avdec_h264", "openh264dec", "vah264dec", "nvh264dec")  # of which one will do
FFMPEG = "Use an OpenCV with FFmpeg: `pip install opencv-python-headless`."


def gstreamer(elements: Callable[..., bool] | None = None) -> list[Finding]:
    """What csi://, rtsp:// and gst: go through: GStreamer's own programs, whatever OpenCV was built with."""
    from tosa_edge.runtime.sources.gst_process import PACKAGES, has_elements

    has = elements or has_elements
    if not has("gdppay"):
        what = "not there, or without gdppay: no csi:// and no gst:, and rtsp:// through FFmpeg"
        return [finding("GStreamer", what, f"sudo apt install {PACKAGES}")]
    h264 = any(has(name) for name in _H264)
    return [
        finding("GStreamer", "takes pipelines (gst:)"),
        _can("rtsp://", has("rtspsrc"), f"sudo apt install {PACKAGES}"),
        _can("H.264 in GStreamer", h264, "sudo apt install gstreamer1.0-libav"),
        finding(
            "csi://",
            "can be opened" if has("nvarguscamerasrc", "nvvidconv") else "no: JetPack has its element",
        ),
    ]


def _can(name: str, can: bool, remedy: str) -> Finding:
    return finding(name, "can be opened" if can else "no", "" if can else remedy)


def writers() -> list[Finding]:
    """Writes and reads back eight frames: the one way to know."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return [_writer(Path(folder) / f"try{suffix}") for suffix in (".webm", ".mp4", ".avi")]


def _writer(path: Path) -> Finding:
    import numpy as np

    from tosa_edge.errors import MachineLacks
    from tosa_edge.runtime.sinks.opencv_writer import count_frames
    from tosa_edge.runtime.sinks.video import writer_for

    kind = writer_for(path.suffix)
    try:
        writer = kind(path, 10, False, (48, 64))
        for level in range(8):
            writer.write(np.full((48, 64, 3), 30 * level, np.uint8), level / 10)
        writer.close()
        works = count_frames(path) == 8
    except (ImportError, MachineLacks, OSError):
        works = False
    value = f"can be written, by {kind.by}" if works else "cannot"
    return finding(f"video {path.suffix}", value, "" if works else FFMPEG)
