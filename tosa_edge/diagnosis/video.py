"""Videos and cameras: what this OpenCV was built with, and whether it does what it says."""

from __future__ import annotations

import re
from pathlib import Path

from tosa_edge.diagnosis.finding import Finding, finding

FFMPEG = "Use an OpenCV with FFmpeg: `pip install opencv-python-headless`."


def gstreamer(information: str | None = None) -> list[Finding]:
    """A Jetson's camera is reached through it; pip's OpenCV has none, JetPack's and Ubuntu's have."""
    if information is None:
        from tosa_edge.runtime.opencv import opencv

        information = opencv().getBuildInformation()
    value = build_flag(information, "GStreamer")
    remedy = (
        "For a Jetson's camera pipelines, an OpenCV that has it: `pip uninstall opencv-python-headless && "
        "sudo apt install python3-opencv && python3 -m venv --system-site-packages .venv`."
    )
    has = value.startswith("YES")
    return [finding("GStreamer in OpenCV", value if has else "no", "" if has else remedy)]


def build_flag(information: str, name: str) -> str:
    """What follows `name:` in OpenCV's build information; `NO` when it is not there."""
    line = re.search(rf"^\s*{re.escape(name)}:\s*(\S.*?)\s*$", information, re.MULTILINE)
    return line[1] if line else "NO"


def writers() -> list[Finding]:
    """Writes and reads back eight frames: the one way to know."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return [_writer(Path(folder) / f"try{suffix}") for suffix in (".webm", ".avi")]


def _writer(path: Path) -> Finding:
    import numpy as np

    from tosa_edge.runtime.opencv import opencv, silence
    from tosa_edge.runtime.sinks.video import CODECS, count_frames

    try:
        cv2 = opencv()
        with silence():
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*CODECS[path.suffix]), 10, (64, 48))
            for level in range(8):
                writer.write(np.full((48, 64, 3), 30 * level, np.uint8))
            writer.release()
        works = count_frames(path) == 8
    except ImportError:
        works = False
    return finding(f"video {path.suffix}", "can be written" if works else "cannot", "" if works else FFMPEG)
