"""`python -m tosa_edge.cuda.compile`: fit.cu to fit.ptx, which is what runs.

The driver turns PTX into code for its own GPU, so no machine that runs tosa-edge needs a compiler. For that
the PTX is for the oldest GPU that TensorRT 10 takes, and comes from an NVRTC that is no newer than the oldest
driver: of CUDA 12.4, for JetPack 6.2's driver is of CUDA 12.6.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tosa_edge.errors import MachineLacks, TosaEdgeError

SOURCE, PTX = Path(__file__).with_name("fit.cu"), Path(__file__).with_name("fit.ptx")
OLDEST = "compute_75"


def stamp(source: bytes) -> str:
    """The first line of fit.ptx, by which a test knows that it was made of fit.cu as it is."""
    return f"// fit.cu, sha256 {hashlib.sha256(source).hexdigest()}\n"


def compiled(architecture: str = OLDEST) -> bytes:
    """PTX for a `compute_NN`, machine code for an `sm_NN`."""
    try:
        from cuda.bindings import nvrtc
    except ImportError as error:
        raise MachineLacks(
            "compiling needs cuda-python", "pip install cuda-python nvidia-cuda-nvrtc"
        ) from error

    def call(name: str, *arguments: Any) -> Any:
        try:
            status, *results = getattr(nvrtc, name)(*arguments)
        except RuntimeError as error:
            raise MachineLacks(
                f"NVRTC is not here: {' '.join(str(error).split())[:200]}",
                "pip install nvidia-cuda-nvrtc (with cuda-python 12: nvidia-cuda-nvrtc-cu12)",
            ) from error
        if int(status):
            raise TosaEdgeError(f"{name}: {status.name}{log()}", "Correct fit.cu.")
        return results[0] if results else None

    def log() -> str:
        size = nvrtc.nvrtcGetProgramLogSize(program)[1] if program else 0
        text = b" " * size
        if size:
            nvrtc.nvrtcGetProgramLog(program, text)
        return " " + text.decode(errors="replace").strip("\0 \n")

    program: Any = None
    program = call("nvrtcCreateProgram", SOURCE.read_bytes(), b"fit.cu", 0, None, None)
    # No product and sum in one instruction: the same numbers as on the CPU, where tests compare them.
    options = [f"--gpu-architecture={architecture}".encode(), b"--fmad=false", b"--std=c++17"]
    call("nvrtcCompileProgram", program, len(options), options)
    kind = "CUBIN" if architecture.startswith("sm_") else "PTX"
    text = b" " * call(f"nvrtcGet{kind}Size", program)
    call(f"nvrtcGet{kind}", program, text)
    call("nvrtcDestroyProgram", program)
    return text


def main() -> None:
    made = compiled().rstrip(b"\0").decode()
    PTX.write_text(stamp(SOURCE.read_bytes()) + made)
    version = next(line for line in made.splitlines() if line.startswith(".version"))
    print(f"{PTX}: {version}, for {OLDEST}")


if __name__ == "__main__":
    main()
