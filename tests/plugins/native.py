"""The programs of `tests/plugins/tensorrt/`, compiled: which headers there are, and how to build and run."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
# Header trees of TensorRT releases, a colon between them; they are in no package that pip or apt installs.
HEADERS = [Path(p) for p in os.environ.get("TENSORRT_INCLUDE_DIRS", "").split(":") if p]
SANITIZED = "-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all"


def lacking() -> str:
    """Why nothing can be compiled here, or nothing."""
    tools = [tool for tool in ("cmake", "c++", "make") if not shutil.which(tool)]
    if importlib.util.find_spec("triton") is None:
        tools.append("triton")
    return f"needs {', '.join(tools)}" if tools else ""


def cuda_headers() -> Path:
    """Of the CUDA runtime: Triton brings them."""
    found = importlib.util.find_spec("triton.backends.nvidia")
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "include"


def small_kernels(folder: Path) -> Path:
    """The tables and cubins of a small model, in `folder`."""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    file = folder / "small.kernels"
    call(sys.executable, "-m", "tests.plugins.small_kernels", file, environment=environment)
    call(sys.executable, "-m", "tosa_edge.plugins.embed", file, "-o", folder / "generated")
    return folder / "generated"


def build(
    folder: Path, generated: Path, flags: str = "", headers: Path | None = None, targets: tuple[str, ...] = ()
) -> Path:
    """The programs that are named, or all that can be made; the folder they are in."""
    settings = {"TOSA_EDGE_KERNELS": generated, "CMAKE_CXX_FLAGS": flags}
    if headers:
        settings |= {"TENSORRT_INCLUDE_DIR": headers, "CUDA_INCLUDE_DIR": cuda_headers()}
    asked = [f"-D{name}={value}" for name, value in settings.items()]
    call("cmake", "-S", HERE / "tensorrt", "-B", folder, *asked)
    call("cmake", "--build", folder, "--parallel", "2", *(("--target", *targets) if targets else ()))
    return folder


def call(*command: object, text: str = "", environment: dict[str, str] | None = None) -> str:
    """What a program says on standard output."""
    words = list(map(str, command))
    root = HERE.parents[1]
    done = subprocess.run(words, input=text, capture_output=True, text=True, env=environment, cwd=root)
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def with_driver(folder: Path, sm: int) -> dict[str, str]:
    """The environment in which the tests' driver is found, with this GPU; 0: with none."""
    return {**os.environ, "LD_LIBRARY_PATH": str(folder / "cuda"), "FAKE_SM": str(sm)}
