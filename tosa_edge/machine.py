"""What this machine is: named beside every number that is measured on it."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from pathlib import Path

from tosa_edge.errors import TosaEdgeError

# What the kernels of ONNX Runtime choose by, on x86 and on ARM.
_TELLING = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx_vnni",
    "amx_int8",
    "amx_bf16",
    "bf16",
    "fphp",
    "asimdhp",
    "asimddp",
    "i8mm",
    "sve",
)


def cache_folder() -> Path:
    """What is kept here only saves time: it may be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tosa-edge"


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""


def _fields(name: str) -> list[str]:
    rows = (line.partition(":") for line in _cpuinfo().splitlines())
    return [value.strip() for key, _, value in rows if key.strip().lower() == name]


def cpu_name() -> str:
    """Jetson's kernel does not name its CPU in /proc/cpuinfo; its device tree names the board."""
    named = _fields("model name")
    if named:
        return named[0]
    try:
        return Path("/proc/device-tree/model").read_text().strip("\0\n ")
    except OSError:
        return platform.processor() or platform.machine()


def cpu_features() -> list[str]:
    flags = set(" ".join(_fields("flags")[:1] + _fields("features")[:1]).split())
    return [f for f in _TELLING if f in flags]


def cores() -> int:
    """Physical cores this process may use: a second thread on a core only gets in the way of the first."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    if allowed is None:
        return os.cpu_count() or 1
    topology = Path("/sys/devices/system/cpu")
    siblings = set()
    for cpu in allowed:
        try:
            siblings.add((topology / f"cpu{cpu}/topology/thread_siblings_list").read_text().strip())
        except OSError:
            return len(allowed)
    return len(siblings)


def threads(wanted: int) -> int:
    """So many, or for 0 one for each core. Runtimes start all they are asked for, if it takes a day."""
    most = max(64, 4 * (os.cpu_count() or 1))
    if not 0 <= wanted <= most:
        raise TosaEdgeError(f"{wanted} threads cannot be had", f"Give 0 for one per core, or 1 to {most}.")
    return wanted or cores()


def memory_mb() -> dict[str, int]:
    """`total` and `available`, empty where the system does not say."""
    found = {}
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in ("MemTotal", "MemAvailable"):
                found[name[3:].lower()] = int(value.split()[0]) // 1024
    except OSError:
        pass
    return found


def version_of(package: str) -> str | None:
    """The installed version of a package, without importing it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def version_numbers(version: str | None) -> tuple[int, ...]:
    """(10, 3, 0) of `10.3.0`, also of dpkg's `10.3.0.30-1+cuda12.5`; nothing of none, which is before all."""
    found = re.match(r"\d+(\.\d+)*", version or "")
    return tuple(int(part) for part in found[0].split(".")[:4]) if found else ()


def opencv_version() -> str | None:
    """OpenCV goes by several names, and JetPack's has none that pip knows."""
    for package in (
        "opencv-python-headless",
        "opencv-python",
        "opencv-contrib-python-headless",
        "opencv-contrib-python",
    ):
        if version := version_of(package):
            return version
    try:
        import cv2
    except ImportError:
        return None
    return str(cv2.__version__)


def onnxruntime_version() -> str | None:
    return version_of("onnxruntime") or version_of("onnxruntime-gpu")


def facts() -> dict[str, object]:
    return {
        "cpu": cpu_name(),
        "cores": cores(),
        "features": cpu_features(),
        "os": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "onnxruntime": onnxruntime_version(),
    }
