"""Python and its packages. What the core needs is imported: installed is not the same as loading."""

from __future__ import annotations

import importlib
import platform
import sys
from collections.abc import Sequence

from tosa_edge import __version__, machine
from tosa_edge.diagnosis.finding import NEEDED, Finding, finding

ALONE = (
    "They overwrite each other's files. `pip uninstall -y onnxruntime onnxruntime-gpu`, then install the one "
    "you want: `pip install onnxruntime`, or `pip install 'onnxruntime-gpu[cuda,cudnn]'` for a GPU."
)
# By the name they are imported by; the one that pip knows is not always the same.
CORE = {"numpy": "numpy", "onnx": "onnx", "typer": "typer", "rich": "rich", "onnxruntime": "onnxruntime"}
_EXPORT = "For export and training: `pip install 'tosa-edge[export]'`."
OPTIONAL_PACKAGES = {
    "torch": _EXPORT,
    "onnxscript": _EXPORT,
    "onnx-graphsurgeon": _EXPORT,
    "safetensors": _EXPORT,
    "polygraphy": "To rerun what a failed validation prints: `pip install polygraphy`.",
    "av": "To record without holding up the model: `pip install 'tosa-edge[record]'`.",
    "triton": "To compile the plugin's kernels: `pip install 'tosa-edge[plugins]'`.",
}


def python(version: tuple[int, ...] = sys.version_info[:2]) -> list[Finding]:
    old = version < (3, 10)
    remedy = "Use Python 3.10 or later: `python3.10 -m venv .venv`." if old else ""
    return [
        Finding("tosa-edge", __version__),
        finding("Python", platform.python_version(), remedy, NEEDED),
    ]


def core() -> list[Finding]:
    found = [_loaded(name, package) for name, package in CORE.items()]
    # JetPack's OpenCV is no package that pip knows, and one from pip would stand in front of it.
    install = "pip install opencv-python-headless"
    if platform.machine() == "aarch64":
        install = "sudo apt install python3-opencv && python3 -m venv --system-site-packages .venv"
    return [*found, _loaded("opencv", "opencv-python-headless", "cv2", install)]


def _loaded(name: str, package: str, module: str = "", install: str = "") -> Finding:
    command = install or f"pip install --force-reinstall {package}"
    try:
        loaded = importlib.import_module(module or name)
    except ImportError as error:
        known = machine.version_of(package)
        value = f"{known}, but it does not load: {' '.join(str(error).split())[:120]}" if known else "missing"
        return finding(name, value, f"Install it: `{command}`.", NEEDED)
    except Exception as error:  # built against another NumPy, cut short by a full disk
        value = f"does not load: {type(error).__name__}: {' '.join(str(error).split())[:120]}"
        return finding(name, value, f"Install it again: `{command}`.", NEEDED)
    return Finding(name, str(getattr(loaded, "__version__", None) or machine.version_of(package) or "there"))


def providers(known: Sequence[str] | None = None, packages: Sequence[str] | None = None) -> list[Finding]:
    """Those of the onnxruntime that is imported. Two packages write into its one folder."""
    if known is None:
        try:
            known = importlib.import_module("onnxruntime").get_available_providers()
        except (ImportError, AttributeError):  # a folder that an interrupted upgrade left imports, empty
            known = ()
    if packages is None:
        packages = [name for name in ("onnxruntime", "onnxruntime-gpu") if machine.version_of(name)]
    short = [name.removesuffix("ExecutionProvider") for name in known]
    remedy = "" if "CPU" in short else "Install it again: `pip install --force-reinstall onnxruntime`."
    found = [finding("ONNX Runtime's providers", ", ".join(short) or "none", remedy, NEEDED)]
    if len(packages) > 1:
        found.append(finding("onnxruntime twice", " and ".join(packages), ALONE))
    return found


def optional() -> list[Finding]:
    found = {name: machine.version_of(name) for name in OPTIONAL_PACKAGES}
    return [
        finding(name, version or "missing", "" if version else OPTIONAL_PACKAGES[name])
        for name, version in found.items()
    ]


def models() -> list[Finding]:
    from tosa_edge.find_model import bundled_models

    names = bundled_models()
    remedy = "" if names else "Install it again: `pip install --force-reinstall tosa-edge`."
    return [finding("bundled models", ", ".join(names) or "none", remedy)]
