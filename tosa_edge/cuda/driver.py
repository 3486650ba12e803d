"""Every call of the driver goes through here: the bindings are found in one place, errors checked in one."""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType
from typing import Any

from tosa_edge.errors import MachineLacks

INSTALL = (
    "pip install 'tosa-edge[tensorrt]', or on a Jetson with JetPack 6: pip install 'cuda-python>=12.9.1,<13'"
)
_DOCTOR = "Start the program again; `tosa-edge doctor` shows what this machine has."
_SPOILT = "The GPU context of this process is spoilt by an earlier error: start the program again."
_REMEDIES = {
    "CUDA_ERROR_OUT_OF_MEMORY": "Close other programs that use the GPU (on a Jetson: any program), or run "
    "fewer models and threads at once.",
    "CUDA_ERROR_NO_DEVICE": "See what `tosa-edge doctor` says of the GPU.",
    "CUDA_ERROR_INVALID_PTX": "Update the GPU's driver: it is older than CUDA 12.4.",
    "CUDA_ERROR_UNSUPPORTED_PTX_VERSION": "Update the GPU's driver: it is older than CUDA 12.4.",
}
# Errors of executed work, not of the machine. They are sticky: every later call of the process returns them.
_FAULTS = {
    f"CUDA_ERROR_{name}"
    for name in (
        "ILLEGAL_ADDRESS",
        "ILLEGAL_INSTRUCTION",
        "LAUNCH_FAILED",
        "LAUNCH_TIMEOUT",
        "MISALIGNED_ADDRESS",
    )
}


class CudaError(MachineLacks):
    """`name` is the driver's own word for it, as CUDA_ERROR_OUT_OF_MEMORY.

    fault: what ran on the GPU went wrong there, and nothing is lacking.
    """

    def __init__(self, function: str, name: str) -> None:
        self.name, self.fault = name, name in _FAULTS
        remedy = _SPOILT if self.fault else _REMEDIES.get(name, _DOCTOR)
        super().__init__(f"the GPU's driver refused {function}: {name}", remedy)


@lru_cache
def bindings() -> ModuleType:
    """cuda-python's module of the driver. Until 12.6.0 it lay elsewhere; until 12.9.0 each of its calls holds
    Python's lock, so that other threads stand still while one waits for the GPU."""
    try:
        from cuda.bindings import driver
    except ImportError:
        try:
            from cuda import cuda as driver
        except ImportError as error:
            raise MachineLacks(
                "engines run on the GPU through cuda-python, which is not installed", INSTALL
            ) from error
    return driver


def call(name: str, *arguments: Any) -> Any:
    """What the function gives: nothing, one value, or several; a CudaError when it fails."""
    try:
        status, *results = getattr(bindings(), name)(*arguments)
    except RuntimeError as error:  # a driver too old to have it
        raise CudaError(name, " ".join(str(error).split())[:200]) from error
    if int(status):
        raise CudaError(name, getattr(status, "name", str(int(status))))
    return results[0] if len(results) == 1 else (tuple(results) or None)


@lru_cache
def start() -> None:
    """Before the first use in a process: a driver, a device, and bindings that this driver can serve."""
    driver = bindings()
    try:
        call("cuInit", 0)
        version, devices = call("cuDriverGetVersion"), call("cuDeviceGetCount")
    except CudaError as error:
        raise MachineLacks(
            f"there is no NVIDIA GPU that can be used here: {error.name}",
            "See what `tosa-edge doctor` says of the GPU; on a CPU build with --backend onnxruntime.",
        ) from error
    if not devices:
        raise MachineLacks("the NVIDIA driver gives no GPU", "In a container, start it with `--gpus all`.")
    ours, theirs = driver.CUDA_VERSION // 1000, version // 1000
    if ours > theirs:
        raise MachineLacks(
            f"cuda-python here is for CUDA {ours}, and this machine's driver is for CUDA {theirs}",
            f"pip install 'cuda-python>=12.9.1,<{theirs + 1}'",
        )
