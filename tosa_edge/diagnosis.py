"""What this machine can do, each fact with a verdict and, where something is missing, what to do."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tosa_edge import __version__, machine

# Without `needed` nothing runs; without `optional` one verb or one host is missing.
OK, OPTIONAL, NEEDED = "ok", "optional", "needed"
_INSTALL = "Install it: `pip install tosa-edge`"


@dataclass(frozen=True)
class Finding:
    """`verdict` is ok, or how much the lack of it matters; `remedy` is empty when it is ok."""

    name: str
    value: str
    verdict: str = OK
    remedy: str = ""


def diagnose() -> list[Finding]:
    return [finding for check in _CHECKS for finding in check()]


def _python() -> list[Finding]:
    old = sys.version_info < (3, 10)
    return [
        Finding("tosa-edge", __version__),
        Finding(
            "Python",
            platform.python_version(),
            NEEDED if old else OK,
            "Use Python 3.10 or later." if old else "",
        ),
    ]


def _packages() -> list[Finding]:
    core = {name: machine.version_of(name) for name in ("numpy", "onnx", "typer", "rich")}
    core |= {"onnxruntime": machine.onnxruntime_version(), "opencv": machine.opencv_version()}
    found = [
        Finding(n, v or "missing", OK if v else NEEDED, "" if v else f"{_INSTALL}.") for n, v in core.items()
    ]
    for name in ("torch", "onnxscript", "onnx-graphsurgeon", "safetensors"):
        version = machine.version_of(name)
        remedy = "" if version else "Only for export and training: `pip install 'tosa-edge[export]'`."
        found.append(Finding(name, version or "missing", OK if version else OPTIONAL, remedy))
    return found


def _processor() -> list[Finding]:
    features = machine.cpu_features()
    memory = machine.memory_mb()
    free = memory.get("available")
    tight = free is not None and free < 1024
    return [
        Finding("CPU", f"{machine.cpu_name()} ({platform.machine()})"),
        Finding("CPU features", ", ".join(features) or "none known"),
        Finding("cores", str(machine.cores())),
        Finding(
            "memory",
            f"{free:,} MB free of {memory['total']:,} MB" if free is not None else "not known",
            OPTIONAL if tight else OK,
            "Close other programs: models need up to 1 GB." if tight else "",
        ),
    ]


def _accelerators() -> list[Finding]:
    gpu = _gpu()
    none = "No NVIDIA GPU: everything but GPU speed works without one."
    found = [Finding("NVIDIA GPU", gpu or "none", OK if gpu else OPTIONAL, "" if gpu else none)]
    release = Path("/etc/nv_tegra_release")
    found.append(
        Finding("JetPack (L4T)", release.read_text().split(",")[0] if release.is_file() else "not a Jetson")
    )
    for name, package, extra in (
        ("TensorRT", "tensorrt", "tensorrt"),
        ("TensorRT-RTX", "tensorrt-rtx", "rtx"),
    ):
        version = machine.version_of(package) or machine.version_of(f"{package}-cu13")
        remedy = f"For GPU engines: `pip install 'tosa-edge[{extra}]'`; on a Jetson it comes with JetPack."
        found.append(
            Finding(name, version or "missing", OK if version else OPTIONAL, "" if version else remedy)
        )
    return found


def _gpu() -> str | None:
    """As the driver names it; a Jetson's GPU has no entry there, but its device tree names the board."""
    for information in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in information.read_text().splitlines():
            if line.startswith("Model:"):
                return line.partition(":")[2].strip()
    return machine.cpu_name() if Path("/etc/nv_tegra_release").is_file() else None


def _video() -> list[Finding]:
    """Writes and reads back eight frames: the one way to know."""
    import tempfile

    import numpy as np

    from tosa_edge.runtime.opencv import opencv, silence
    from tosa_edge.runtime.sinks.video import CODECS, count_frames

    found = []
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".webm", ".avi"):
            path = Path(folder) / f"try{suffix}"
            try:
                cv2 = opencv()
                with silence():
                    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*CODECS[suffix]), 10, (64, 48))
                    for level in range(8):
                        writer.write(np.full((48, 64, 3), 30 * level, np.uint8))
                    writer.release()
                works = count_frames(path) == 8
            except ImportError:
                works = False
            remedy = "" if works else "Use an OpenCV with FFmpeg: `pip install opencv-python-headless`."
            found.append(
                Finding(
                    f"video {suffix}",
                    "can be written" if works else "cannot",
                    OK if works else OPTIONAL,
                    remedy,
                )
            )
    return found


def _models() -> list[Finding]:
    from tosa_edge.model import bundled_models

    names = bundled_models()
    remedy = "" if names else "Install the package again: its assets are missing."
    return [Finding("bundled models", ", ".join(names) or "none", OK if names else OPTIONAL, remedy)]


_CHECKS: tuple[Callable[[], list[Finding]], ...] = (
    _python,
    _packages,
    _processor,
    _accelerators,
    _video,
    _models,
)
