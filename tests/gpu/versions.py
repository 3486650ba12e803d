"""What is there: packages that import, the driver, the GPU, NVIDIA's tools."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib import import_module
from typing import Any

from tests.gpu.results import Results

PACKAGES = (
    "numpy",
    "torch",
    "triton",
    "cuda.bindings",
    "cupy",
    "onnx",
    "onnxruntime",
    "cv2",
    "pytest",
    "hypothesis",
)
TOOLS = ("compute-sanitizer", "ncu", "nvcc")
TOOL_FOLDER = "/usr/local/cuda/bin"
_ABOUT = "name,driver_version,memory.total,clocks.max.sm,clocks.max.memory,power.limit,mig.mode.current"


def run(results: Results, walk: bool) -> None:
    results.add("python", None, version=sys.version.split()[0], walk=walk)
    for name in PACKAGES:
        # Whatever stage needs a package says so itself; here it is only told.
        results.add(name, None, **_package(name))
    for name in TOOLS:
        path = tool(name)
        results.add(name, None, path=path, version=_last_line([path, "--version"]) if path else None)
    if not walk:
        results.add(
            "gpu", None, said=_last_line(["nvidia-smi", f"--query-gpu={_ABOUT}", "--format=csv,noheader"])
        )
    results.attempt("driver", _driver)


def _package(name: str) -> dict[str, Any]:
    try:
        return {"version": getattr(import_module(name), "__version__", "?")}
    except Exception as error:
        return {"lacks": f"{type(error).__name__}: {error}"[:300]}


def _driver() -> dict[str, Any]:
    from tosa_edge.cuda.driver import bindings, call, start

    start()
    return {"cuda": call("cuDriverGetVersion"), "bindings": bindings().CUDA_VERSION}


def tool(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=TOOL_FOLDER)


def _last_line(command: list[str]) -> str | None:
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{type(error).__name__}: {error}"[:200]
    return said.splitlines()[-1] if said else None
