"""The kernels compiled ahead of time: `make kernels`, one cubin for each GPU architecture, without a GPU.

The file `tosa.kernels`: eight bytes `TOSAKRN1`, the length of the index (8 bytes, little endian), the index
(JSON), then the cubins one after the other, the same one only once. The index says for each operator,
precision and model shape what to launch: programs (for each axis a size and how much of it one takes),
threads, dynamic shared memory, and the parameters in order. The last two of those, `global_scratch` and
`profile_scratch`, are hidden ones that Triton adds and these kernels do not use: a launcher passes null
pointers.

The same source and compiler give the same bytes: no times, no paths, no line tables.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from tosa_edge.errors import CheckFailed, TosaEdgeError, told
from tosa_edge.plugins import launch
from tosa_edge.plugins.launch import Launch

MAGIC = b"TOSAKRN1"
ARCHITECTURES = (80, 86, 87, 89, 90, 100, 110, 120)
SHARED_LIMIT = {80: 163, 86: 99, 87: 163, 89: 99, 90: 227, 100: 227, 110: 227, 120: 99}  # KiB a block
MODELS = ((3, 64), (6, 64), (12, 32))  # heads and their dimension
FLOATS = {"fp16": True, "fp32": False}
POINTERS = {"index": "*i32", "statistics": "*fp32", "importance": "*fp32"}  # the others are the model's
SCALARS = {"scale": "fp32", "epsilon": "fp32"}  # the others are int32
HIDDEN_PARAMETERS = ("global_scratch", "profile_scratch")
SIZES = ("tokens", "kept", "queries", "stride")


@dataclass(frozen=True)
class Kernel:
    """One kernel for one architecture, before it is compiled."""

    operator: str
    precision: str
    shape: tuple[tuple[str, int], ...]
    step: int  # of the operator's launches
    launch: Launch
    architecture: int


def wanted(architectures: tuple[int, ...] = ARCHITECTURES, quick: bool = False) -> list[Kernel]:
    """Every kernel to compile; `quick`: one model's, in half precision."""
    kernels = []
    for architecture in architectures:
        for precision, half in FLOATS.items():
            table: list[tuple[str, dict[str, int], list[Launch]]] = []
            for heads, head_dim in MODELS:
                for hidden in (0, 2 * heads):
                    shape = {"heads": heads, "head_dim": head_dim, "hidden": hidden}
                    table.append(("TokenImportance", shape, launch.importance(half, **shape)))
            for head_dim in sorted({dim for _, dim in MODELS}):
                shape = {"head_dim": head_dim}
                table.append(("SelectiveAttention", shape, launch.attention(half, head_dim)))
            for width in sorted({heads * dim for heads, dim in MODELS}):
                table.append(("TokenGather", {"width": width}, launch.gather(width)))
                for in_place in (False, True):
                    shape = {"width": width, "in_place": int(in_place)}
                    table.append(("TokenScatter", shape, launch.scatter(width, in_place)))
            for operator, shape, launches in table:
                if quick and (not half or shape.get("heads", 6) != 6 or shape.get("hidden", 12) != 12):
                    continue
                steps = enumerate(launches)
                kernels += [
                    Kernel(operator, precision, tuple(shape.items()), i, one, architecture)
                    for i, one in steps
                ]
    return kernels


def parameters(kernel: Kernel) -> dict[str, str]:
    """The kernel's own parameters, in order, and their types."""
    names = [n for n in kernel.launch.function().arg_names if n not in kernel.launch.constants]
    scalars = {**SCALARS, **dict.fromkeys(SIZES, "i32")}
    return {n: scalars.get(n) or POINTERS.get(n, f"*{kernel.precision}") for n in names}


def compile_one(kernel: Kernel) -> tuple[bytes, dict[str, Any]]:
    """The cubin and what the index says of it."""
    from triton import compile as triton_compile
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    function, types = kernel.launch.function(), parameters(kernel)
    signature = {n: types.get(n, "constexpr") for n in function.arg_names}
    constants = {(function.arg_names.index(n),): v for n, v in kernel.launch.constants.items()}
    # Hosts align tensors to 16 bytes and more; told so, the compiler loads that much at once.
    aligned = {
        (i,): [["tt.divisibility", 16]] for i, n in enumerate(function.arg_names) if signature[n][0] == "*"
    }
    source = ASTSource(function, signature=signature, constexprs=constants, attrs=aligned)
    try:
        done = triton_compile(
            source, target=GPUTarget("cuda", kernel.architecture, 32), options=kernel.launch.options()
        )
    except Exception as failure:
        raise TosaEdgeError(
            f"Triton's ptxas cannot compile {kernel.launch.kernel} for sm_{kernel.architecture}: "
            f"{str(failure).strip().splitlines()[-1]}",
            "set TRITON_PTXAS_PATH, or TRITON_PTXAS_BLACKWELL_PATH for sm_100 and later, to a newer CUDA's "
            "ptxas, or leave the architecture out with --sm",
        ) from failure
    cubin = done.asm["cubin"]
    entry = {
        "function": done.metadata.name,
        "parameters": [[n, t] for n, t in types.items()] + [[n, "*null"] for n in HIDDEN_PARAMETERS],
        "grid": [list(axis) for axis in kernel.launch.grid],
        "threads": kernel.launch.warps * 32,
        "shared": done.metadata.shared,
        **resources(cubin),
    }
    return cubin, entry


def resources(cubin: bytes) -> dict[str, int]:
    """What the compiler reports of a cubin: registers a thread, and bytes spilled."""
    import triton.backends.nvidia as nvidia

    tool = Path(nvidia.__file__).parent / "bin/cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        asked = [str(tool), "--dump-resource-usage", file.name]
        report = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+) .*?LOCAL:(\d+)", report)
    assert found, report
    registers, stack, local = map(int, found.groups())
    return {"registers": registers, "spilled": stack + local}


def over_budget(index: dict[str, Any]) -> list[str]:
    """The kernels that spill registers or ask for more shared memory than their architecture has."""
    return [
        f"{e['operator']} {e['function']} {e['precision']} sm_{e['sm']}: {e['spilled']} bytes spilled, "
        f"{e['shared']} of {SHARED_LIMIT[e['sm']] * 1024} bytes of shared memory"
        for e in index["kernels"]
        if e["spilled"] or e["shared"] > SHARED_LIMIT[e["sm"]] * 1024
    ]


def build(kernels: list[Kernel], jobs: int) -> tuple[bytes, dict[str, Any]]:
    """Compiles them on so many cores: the file's bytes, and its index."""
    from tosa_edge.plugins import PLUGIN_VERSION

    start, results = perf_counter(), {}
    with ProcessPoolExecutor(jobs, initializer=_quiet) as pool:
        futures = {pool.submit(compile_one, kernel): place for place, kernel in enumerate(kernels)}
        try:
            for done, future in enumerate(as_completed(futures), 1):
                results[futures[future]] = future.result()
                left = (perf_counter() - start) / done * (len(kernels) - done)
                print(
                    f"\r{done}/{len(kernels)} kernels, {left:.0f} s left ",
                    end="",
                    file=sys.stderr,
                    flush=True,
                )
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            print(file=sys.stderr)
    data, offsets, entries = bytearray(), {}, []
    for place, kernel in enumerate(kernels):
        cubin, entry = results[place]
        digest = hashlib.sha256(cubin).hexdigest()
        if digest not in offsets:
            offsets[digest] = len(data)
            data += cubin + bytes(-len(cubin) % 16)
        whose = {
            "operator": kernel.operator,
            "sm": kernel.architecture,
            "precision": kernel.precision,
            "shape": dict(kernel.shape),
            "step": kernel.step,
        }
        entries.append({**whose, **entry, "offset": offsets[digest], "bytes": len(cubin), "sha256": digest})
    index = {
        "version": 1,
        "plugin_version": PLUGIN_VERSION,
        "compiler": _compiler(),
        "sha256": hashlib.sha256(data).hexdigest(),
        "kernels": entries,
    }
    head = json.dumps(index, sort_keys=True, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 16)
    return MAGIC + len(head).to_bytes(8, "little") + head + bytes(data), index


def read(file: bytes) -> tuple[dict[str, Any], bytes]:
    """The index and the cubins' bytes of a kernel file, checked against its digest."""
    length = int.from_bytes(file[8:16], "little")
    if file[:8] != MAGIC or len(file) < 16 + length:
        raise TosaEdgeError("this is no whole file of tosa kernels", "make it again: make kernels")
    index, data = json.loads(file[16 : 16 + length]), file[16 + length :]
    if hashlib.sha256(data).hexdigest() != index["sha256"]:
        raise TosaEdgeError("the kernel file is damaged: its digest differs", "make it again: make kernels")
    return index, data


def _compiler() -> str:
    import triton

    return f"triton {triton.__version__}"


def _quiet() -> None:
    """Before Triton is imported in a child: nothing of this machine in the cubins, nothing from its cache."""
    os.environ["TRITON_DISABLE_LINE_INFO"] = "1"
    os.environ["TRITON_ALWAYS_COMPILE"] = "1"
    os.environ.pop("TRITON_INTERPRET", None)


def table(index: dict[str, Any]) -> str:
    """Registers and shared memory of every kernel, an architecture to a column."""
    rows: dict[str, dict[int, str]] = {}
    for e in index["kernels"]:
        shape = " ".join(f"{n} {v}" for n, v in e["shape"].items())
        cells = rows.setdefault(f"{e['function']} {e['precision']} {shape}", {})
        cells[e["sm"]] = f"{e['registers']}/{-(-e['shared'] // 1024)}" + ("!" if e["spilled"] else "")
    architectures = sorted({e["sm"] for e in index["kernels"]})
    wide = max(map(len, rows))
    head = "registers/KiB shared, ! spills".ljust(wide) + "".join(f"{f'sm_{a}':>9}" for a in architectures)
    lines = (n.ljust(wide) + "".join(f"{c.get(a, '-'):>9}" for a in architectures) for n, c in rows.items())
    return "\n".join((head, *lines))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tosa_edge.plugins.aot", description="Compiles the kernels."
    )
    parser.add_argument(
        "--sm", type=int, nargs="+", default=ARCHITECTURES, help="architectures, such as 87 90"
    )
    parser.add_argument("--quick", action="store_true", help="one model's kernels, float16")
    parser.add_argument("--only", metavar="OPERATOR", help="one operator's kernels only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("-o", "--out", type=Path, default=Path("build/tosa.kernels"))
    given = parser.parse_args()
    start = perf_counter()
    if unknown := set(given.sm) - set(ARCHITECTURES):
        raise TosaEdgeError(f"no kernels are made for sm_{unknown.pop()}", f"choose from {ARCHITECTURES}")
    kernels = wanted(tuple(given.sm), given.quick)
    file, index = build([k for k in kernels if given.only in (None, k.operator)], given.jobs)
    print(table(index))
    if problems := over_budget(index):
        raise CheckFailed(
            "over budget: " + "; ".join(problems), "smaller blocks or more warps in plugins/launch.py"
        )
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_bytes(file)
    print(f"{given.out}: {len(file)} bytes, {len(index['kernels'])} kernels, {perf_counter() - start:.0f} s")


if __name__ == "__main__":
    sys.exit(told(main))
