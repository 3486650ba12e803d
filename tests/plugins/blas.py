"""What NumPy's OpenBLAS takes this processor for: `python -m tests.plugins.blas`. OPENBLAS_CORETYPE asks for
something else, and is passed over without a word where there are no kernels for it. Prescott's go by the
name of Katmai."""

import ctypes
from pathlib import Path

import numpy as np


def core() -> str | None:
    """None where NumPy has another BLAS, or the system's."""
    for path in Path(np.__file__).parent.parent.glob("numpy.libs/*openblas*"):
        library = ctypes.CDLL(str(path))
        for name in ("scipy_openblas_get_corename64_", "openblas_get_corename64_", "openblas_get_corename"):
            if function := getattr(library, name, None):
                function.restype = ctypes.c_char_p
                return str(function().decode())
    return None


if __name__ == "__main__":
    print(core() or "one that cannot be told")
