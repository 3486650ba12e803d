"""What a compiled kernel takes of its GPU, and whether that is within its means."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

SHARED_LIMIT = {80: 163, 86: 99, 87: 163, 89: 99, 90: 227, 100: 227, 110: 227, 120: 99}  # KiB a block


def resources(cubin: bytes) -> dict[str, int]:
    """What the compiler reports of a cubin: registers a thread, and bytes spilled.

    That is all of a thread's stack: these kernels have no arrays and call nothing, and wherever there was
    one, its loads and stores in the machine code were of single registers. `ptxas -v` agrees, given Triton's
    own PTX and options.
    """
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
