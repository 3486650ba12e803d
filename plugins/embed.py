"""What the C++ plugin is compiled from, besides its own code: `python -m tosa_edge.plugins.embed`.

Two files: `tosa_tables.inc`, the operators and the kernel file's index as C++ tables, and `tosa.cubins`,
which the library carries inside. With them `plugins/tensorrt/` compiles on a robot without Python or Triton.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tosa_edge.errors import TosaEdgeError, exit_code_of
from tosa_edge.plugins import kernel_file
from tosa_edge.plugins.tables import tables


def embed(kernels: bytes, folder: Path) -> int:
    """Writes both files of a kernel file; how many kernels it has."""
    index, cubins = kernel_file.read(kernels)
    text = tables(index)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tosa_tables.inc").write_text(text)
    (folder / "tosa.cubins").write_bytes(cubins)
    return len(index["kernels"])


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tosa_edge.plugins.embed", description="Kernel file to C++ tables."
    )
    parser.add_argument("kernels", type=Path, nargs="?", default=Path("build/tosa.kernels"))
    parser.add_argument("-o", "--out", type=Path, default=Path("build/plugin"), help="folder for both files")
    given = parser.parse_args()
    if not given.kernels.is_file():
        raise TosaEdgeError(f"there is no kernel file {given.kernels}", "Make it: make kernels")
    count = embed(given.kernels.read_bytes(), given.out)
    print(f"{given.out}: tosa_tables.inc and tosa.cubins, of {count} kernels")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
