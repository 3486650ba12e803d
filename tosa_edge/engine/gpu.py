"""The first NVIDIA GPU, asked of the driver itself: no package is needed, and a Jetson answers too."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path

_MAJOR, _MINOR, _INTEGRATED, _MULTIPROCESSORS = 75, 76, 18, 16  # CUdevice_attribute


@dataclass(frozen=True)
class Gpu:
    """`sm` is 87 for compute capability 8.7; an integrated GPU shares the memory of the CPU."""

    name: str
    sm: int
    cuda: str
    driver: str | None
    integrated: bool
    multiprocessors: int | None = None


def find_gpu() -> Gpu | None:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    count, device, version = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return None  # a driver without a device it can use, as in a container without one
    if driver.cuDeviceGet(ctypes.byref(device), 0) or driver.cuDriverGetVersion(ctypes.byref(version)):
        return None
    name = ctypes.create_string_buffer(256)
    driver.cuDeviceGetName(name, len(name), device)

    def attribute(which: int) -> int:
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), which, device)
        return value.value

    return Gpu(
        name.value.decode(errors="replace") or "NVIDIA GPU",
        10 * attribute(_MAJOR) + attribute(_MINOR),
        f"{version.value // 1000}.{version.value % 1000 // 10}",
        _driver_version(),
        bool(attribute(_INTEGRATED)),
        attribute(_MULTIPROCESSORS) or None,
    )


def jetpack(release: Path = Path("/etc/nv_tegra_release")) -> str | None:
    """As L4T counts it, `L4T 36.4.3` for JetPack 6.2; None away from a Jetson."""
    try:
        line = release.read_text().splitlines()[0]
    except (OSError, IndexError):
        return None
    found = re.search(r"R(\d+).*?REVISION:\s*([\d.]+)", line)
    return f"L4T {found[1]}.{found[2]}" if found else "L4T"


def module(model: Path = Path("/proc/device-tree/model")) -> str | None:
    """`Jetson Orin Nano`, whatever board carries it: the GPU of every Orin is named `Orin`."""
    try:
        found = re.search(r"(AGX )?(Orin|Thor)( NX| Nano)?", model.read_text(errors="replace"))
    except OSError:
        return None
    return f"Jetson {found[0]}" if found else None


def _driver_version() -> str | None:
    try:
        return Path("/sys/module/nvidia/version").read_text().strip() or None
    except OSError:
        return None
