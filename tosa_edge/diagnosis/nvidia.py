"""The GPU, its driver, CUDA, TensorRT, and which backend `auto` takes of all that."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Callable
from pathlib import Path

from tosa_edge import machine
from tosa_edge.diagnosis.finding import OK, OPTIONAL, Finding, finding
from tosa_edge.diagnosis.jetson import jetpack, package_version, tensorrt_of
from tosa_edge.engine import BACKENDS, TENSORRT, TENSORRT_RTX
from tosa_edge.engine.compatibility import TITLES
from tosa_edge.engine.gpu import Gpu, find_gpu
from tosa_edge.engine.providers import installed, start
from tosa_edge.engine.providers import version as version_of_provider
from tosa_edge.engine.select_backend import AUTO, BackendChoice, select_backend_and_provider
from tosa_edge.engine.tensorrt_versions import expected, known_bugs
from tosa_edge.engine.this_machine import tensorrt_module, this_machine
from tosa_edge.errors import MachineLacks

ROOT = Path("/")
_RELEASES_GIL = (12, 9, 1)  # the first cuda-python whose calls let other threads run
_NVIDIA, _DISPLAY = "0x10de", "0x03"


def gpu(root: Path = ROOT, found: Gpu | None = None) -> list[Finding]:
    """Reports a present but unusable GPU in more detail than a missing one."""
    usable = found or (find_gpu() if root == ROOT else None)
    if usable is not None:
        return [
            Finding("NVIDIA GPU", f"{usable.name} (sm{usable.sm})"),
            Finding("driver", usable.driver or driver_version(root) or f"for CUDA {usable.cuda}"),
        ]
    version = driver_version(root)
    there = card(root)
    if version:
        remedy = (
            "Its driver is loaded and gives no device: in a container, run it with `--gpus all` (on a Jetson "
            "`--runtime nvidia`); else see `nvidia-smi`."
        )
        return [
            finding("NVIDIA GPU", f"{there or 'one'}, which cannot be used", remedy),
            Finding("driver", version),
        ]
    if there:
        remedy = "Install its driver: `sudo ubuntu-drivers install`, then restart."
        return [finding("NVIDIA GPU", f"{there}, without a driver", remedy)]
    none = "No NVIDIA GPU: everything but GPU speed works without one."
    return [Finding("NVIDIA GPU", "none", OPTIONAL, none)]


def card(root: Path = ROOT) -> str | None:
    """As the driver names it; else that there is one on the bus."""
    for path in sorted((root / "proc/driver/nvidia/gpus").glob("*/information")):
        model = re.search(r"^Model:\s*(.+)$", _text(path), re.MULTILINE)
        if model:
            return model[1].strip()
    for device in sorted((root / "sys/bus/pci/devices").glob("*")):
        if _text(device / "vendor").strip() == _NVIDIA and _text(device / "class").startswith(_DISPLAY):
            return f"an NVIDIA card at {device.name}"
    return None


def driver_version(root: Path = ROOT) -> str | None:
    direct = _text(root / "sys/module/nvidia/version").strip()
    line = re.search(r"Kernel Module.*?\s(\d+\.\d+(?:\.\d+)*)", _text(root / "proc/driver/nvidia/version"))
    return direct or (line[1] if line else None)


def cuda(root: Path = ROOT, found: Gpu | None = None) -> list[Finding]:
    """The driver's CUDA is what counts; a toolkit is not needed, and is named for those who ask."""
    usable = found or (find_gpu() if root == ROOT else None)
    toolkit = toolkit_version(_text(root / "usr/local/cuda/version.json"))
    parts = [f"{usable.cuda} (driver)" if usable else "", f"{toolkit} (toolkit)" if toolkit else ""]
    value = ", ".join(filter(None, parts))
    return [Finding("CUDA", value or "none, and none is needed without a GPU")]


def toolkit_version(text: str) -> str | None:
    try:
        raw = json.loads(text)
    except ValueError:
        return None
    entry = raw.get("cuda") if isinstance(raw, dict) else None
    version = entry.get("version") if isinstance(entry, dict) else None
    return version if isinstance(version, str) else None


def bindings(found: Gpu | None = None, version: str | None = None) -> list[Finding]:
    """cuda-python serves a driver of its own CUDA or a later one; pip brings the newest."""
    usable = found or find_gpu()
    version = version or machine.version_of("cuda-python") or machine.version_of("cuda-bindings")
    most = machine.version_numbers(usable.cuda)[0] if usable else None
    below = f",<{most + 1}" if most else ""
    wanted = f"`pip install 'cuda-python>=12.9.1{below}'`"
    if version is None:
        return [finding("cuda-python", "missing", f"To run engines on a GPU: {wanted}.")]
    remedy, numbers = "", machine.version_numbers(version)
    if numbers < _RELEASES_GIL:
        remedy = f"It holds Python's lock while the GPU works, and other threads wait: {wanted}."
    if usable is not None and most is not None and numbers[0] > most:
        remedy = f"It is for a later CUDA than the driver's {usable.cuda}: {wanted}."
    return [finding("cuda-python", version, remedy)]


def tensorrt(root: Path = ROOT, arch: str = platform.machine()) -> list[Finding]:
    found = []
    for backend in (TENSORRT, TENSORRT_RTX):
        module = tensorrt_module(backend)
        version = str(module.__version__) if module else None
        value, remedy = version or "missing", ""
        if version is None and backend == TENSORRT:
            value, remedy = _without_tensorrt(root, arch)
        elif version is None and arch == "aarch64":
            value = "missing: it is for x86 machines"
        elif version is None:
            remedy = "For engines for RTX cards, GPU or not: `pip install 'tosa-edge[rtx]'`."
        found.append(finding(TITLES[backend], value, remedy))
    return found


def pair(root: Path = ROOT, version: str | None = None, found: Gpu | None = None) -> list[Finding]:
    """JetPack and TensorRT as they meet here, and what to expect of that; nothing without TensorRT."""
    module = None if version else tensorrt_module(TENSORRT)
    version = str(module.__version__) if module else version
    if version is None:
        return []
    board, usual = jetpack(root), None
    if board:
        usual = tensorrt_of(board)
        board = f"JetPack {board.partition('+')[0]} with "
    value = f"{board or ''}TensorRT {version}: {expected(version)}"
    if usual and machine.version_numbers(usual) != machine.version_numbers(version)[:2]:
        value += f" (this JetPack comes with {usual})"
    usable = found or (find_gpu() if root == ROOT else None)
    known = known_bugs(version, usable.sm if usable else None)
    remedy = f"Known are {' and '.join(known)}: never build with --no-validate." if known else ""
    return [finding("versions", value, remedy)]


def providers(found: Gpu | None = None, start: Callable[[str], None] = start) -> list[Finding]:
    """ONNX Runtime's for a GPU, where their packages are: each is started."""
    findings = []
    for name in installed():
        said, remedy = f"{version_of_provider(name)}, starts", ""
        if (found or find_gpu()) is None:
            said = f"{version_of_provider(name)}, of no use without an NVIDIA GPU"
        else:
            try:
                start(name)
            except MachineLacks as error:
                said, remedy = f"{version_of_provider(name)}: {error.what}", error.remedy
        findings.append(finding(f"provider {name}", said, remedy))
    return findings


def _without_tensorrt(root: Path, arch: str) -> tuple[str, str]:
    """Installed by JetPack and not seen by this Python is the usual case on a Jetson."""
    libraries = package_version(_text(root / "var/lib/dpkg/status"), "libnvinfer10")
    if libraries:
        again = "`sudo apt install python3-libnvinfer && python3 -m venv --system-site-packages .venv`"
        return f"{libraries}, but this Python does not see it", f"Let it: {again}."
    if (root / "etc/nv_tegra_release").is_file():
        return "missing", "Install it: `sudo apt update && sudo apt install nvidia-jetpack`."
    if arch != "x86_64":
        return "missing", ""
    return "missing", "On a machine with an NVIDIA GPU: `pip install 'tosa-edge[tensorrt]'`."


def chosen(choice: BackendChoice | None = None) -> list[Finding]:
    """What `tosa-edge build` takes here when nobody says otherwise, and why."""
    choice = choice or select_backend_and_provider(AUTO, AUTO, this_machine(BACKENDS))
    why = "; ".join(choice.notes) or "the best of what this machine runs"
    return [Finding("backend auto", f"{choice.backend}: {why}", OK)]


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
