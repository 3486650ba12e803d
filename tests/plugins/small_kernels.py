"""A kernel file for tests: every operator for a model of two heads, in seconds. Run as a program, because a
process that has Triton's interpreter cannot compile."""

import sys
from pathlib import Path

from tosa_edge.plugins import kernel_file, launch
from tosa_edge.plugins.compiler import compile_one, prepare, version
from tosa_edge.plugins.kernel_list import FLOATS, Kernel

HEADS, HEAD_DIM, HIDDEN = 2, 32, 4
WIDTH = HEADS * HEAD_DIM
WIDE = {"heads": 6, "head_dim": 64, "hidden": 0}  # needs more shared memory than a launch has unasked


def small(architectures=(87,)):
    for step, one in enumerate(launch.importance(True, **WIDE)):
        yield Kernel("TokenImportance", "fp16", tuple(WIDE.items()), step, one, architectures[0])
    for precision, half in FLOATS.items():
        shape = {"heads": HEADS, "head_dim": HEAD_DIM}
        table = [
            ("TokenImportance", {**shape, "hidden": hidden}, launch.importance(half, **shape, hidden=hidden))
            for hidden in (0, HIDDEN)
        ]
        table += [
            ("SelectiveAttention", {"head_dim": HEAD_DIM}, launch.attention(half, HEAD_DIM)),
            ("TokenGather", {"width": WIDTH}, launch.gather(WIDTH)),
            ("TokenScatter", {"width": WIDTH, "in_place": 0}, launch.scatter(WIDTH)),
            ("TokenScatter", {"width": WIDTH, "in_place": 1}, launch.scatter(WIDTH, in_place=True)),
        ]
        for operator, key, launches in table:
            # TokenGather compiles in no time: it shows that each GPU gets its own.
            for architecture in (80, 86, 87, 90) if operator == "TokenGather" else architectures:
                for step, one in enumerate(launches):
                    yield Kernel(operator, precision, tuple(key.items()), step, one, architecture)


if __name__ == "__main__":
    prepare()
    compiled = [compile_one(kernel)[0] for kernel in small()]
    file, _ = kernel_file.write(((entry, cubin) for cubin, entry in compiled), version())
    Path(sys.argv[1]).write_bytes(file)
