"""What this machine can do, each fact with a verdict and, where something is missing, what to do.

Every check is a function of its own that returns findings; what it reads it takes as text or as a folder, so
that a Jetson can be made up for a test. One that fails is a finding too: whoever asks what is wrong with a
machine must get an answer.
"""

from __future__ import annotations

from collections.abc import Callable

from tosa_edge.diagnosis import hardware, jetson, nvidia, software, video
from tosa_edge.diagnosis.finding import NEEDED, OK, OPTIONAL, Finding

__all__ = ["NEEDED", "OK", "OPTIONAL", "Finding", "diagnose"]

Check = Callable[[], list[Finding]]

CHECKS: dict[str, Check] = {
    "Python": software.python,
    "packages": software.core,
    "ONNX Runtime's providers": software.providers,
    "optional packages": software.optional,
    "CPU": hardware.processor,
    "INT8 on the CPU": hardware.integers,
    "memory": hardware.memory,
    "swap": hardware.swap,
    "disk": hardware.disk,
    "Jetson": jetson.board,
    "power mode": jetson.power,
    "clocks": jetson.clocks,
    "NVIDIA GPU": nvidia.gpu,
    "CUDA": nvidia.cuda,
    "cuda-python": nvidia.bindings,
    "TensorRT": nvidia.tensorrt,
    "versions": nvidia.pair,
    "ONNX Runtime on a GPU": nvidia.providers,
    "backend": nvidia.chosen,
    "GStreamer": video.gstreamer,
    "video": video.writers,
    "models": software.models,
}


def diagnose(checks: dict[str, Check] | None = None) -> list[Finding]:
    return [finding for name, check in (checks or CHECKS).items() for finding in _heard(name, check)]


def _heard(name: str, check: Check) -> list[Finding]:
    try:
        return check()
    except Exception as error:  # half-installed packages raise whatever they like
        said = f"cannot be told: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return [Finding(name, said, OPTIONAL, "Mend or install again what that names, then ask again.")]
