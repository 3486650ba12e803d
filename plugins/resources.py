"""What a compiled kernel takes of its GPU, whether that is within its means, and how long it should take."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tosa_edge.plugins import launch, launch_facts
from tosa_edge.plugins.estimate import (
    LARGE,
    Facts,
    expected_ratio,
    fits,
    microseconds,
    resident,
    shipped,
)
from tosa_edge.plugins.gpus import GPUS
from tosa_edge.plugins.kernel_list import Kernel
from tosa_edge.plugins.launch import Launch

SLACK = 1.5  # an estimate knows nothing of caches and of instructions that wait for each other


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


def over_limits(index: dict[str, Any]) -> list[str]:
    """The kernels that spill registers or ask for more shared memory than their architecture has."""
    return [
        f"{e['operator']} {e['function']} {e['precision']} sm_{e['sm']}: {e['spilled']} bytes spilled, "
        f"{e['shared']} of {GPUS[e['sm']].shared_of_a_block * 1024} bytes of shared memory"
        for e in index["kernels"]
        if not fits(e, e["sm"])
    ]


def table(index: dict[str, Any]) -> str:
    """Registers and shared memory of every kernel, an architecture to a column."""
    rows: dict[str, dict[int, str]] = {}
    for e in index["kernels"]:
        shape = " ".join(f"{n} {v}" for n, v in e["shape"].items())
        cells = rows.setdefault(f"{e['function']} {e['precision']} {shape}", {})
        cells[e["sm"]] = f"{e['registers']}/{-(-e['shared'] // 1024)}" + ("!" if e["spilled"] else "")
    return _columns("registers/KiB shared, ! spills", rows)


def launches_table(kernels: Iterable[Kernel]) -> str:
    """Every variant of a launch in half precision that something is known of; what is chosen has a star.

    Registers of a thread, warps that a multiprocessor holds at a time, estimates at the sizes that ship.
    """
    rows: dict[str, dict[int, str]] = {}
    for kernel in (k for k in kernels if k.precision == "fp16" and k.launch.others):
        shape = " ".join(f"{n} {v}" for n, v in kernel.shape)
        for variant in sorted(kernel.launch_options(), key=lambda k: str(k.launch.constants)):
            of, known = (
                variant.launch.constants,
                launch_facts.lookup(variant.launch, True, kernel.architecture),
            )
            if known is not None:
                blocks = "x".join(str(of[n]) for n in of if n.startswith("BLOCK"))
                name = f"{variant.launch.kernel} {shape}, {blocks}, {variant.launch.warps} warps"
                star = "*" if variant.launch == kernel.launch else " "
                text = _cell(variant.launch, known, kernel.architecture) + star
                rows.setdefault(name, {})[kernel.architecture] = text
    return _columns("registers/warps us at 433, us at 1369", rows)


def _cell(variant: Launch, known: Facts, architecture: int) -> str:
    if not fits(known, architecture):
        return "spills" if known["spilled"] else "too big"
    gpu = GPUS[architecture]
    blocks = resident(gpu, known["registers"], variant.warps * 32, known["shared"])
    taken = (f"{microseconds(variant, known, gpu, s):.1f}" for s in shipped(variant, half=True))
    return f"{known['registers']}/{blocks * variant.warps} {' '.join(taken)}"


def ratios_table(architectures: Iterable[int]) -> str:
    """What is to be expected of TokenImportance at 4096 tokens: its time by that of attention."""
    rows = {
        f"TokenImportance, stride {stride}": {
            sm: f"{ratio:.2f}" for sm in architectures if (ratio := importance_ratio(sm, stride))
        }
        for stride in (1, 8)
    }
    return _columns(f"by attention of {LARGE} tokens", rows)


def importance_limit(architecture: int, stride: int) -> float | None:
    """How many times attention's time TokenImportance may take at 4096 tokens; None: nothing is known."""
    ratio = importance_ratio(architecture, stride)
    return None if ratio is None else SLACK * ratio


def importance_ratio(architecture: int, stride: int) -> float | None:
    """None: nothing is known of the kernels on this architecture."""
    steps = [
        (step, launch_facts.lookup(step, True, architecture))
        for step in launch.importance(True, 6, 64, 12, architecture)
    ]
    known = [(step, found) for step, found in steps if found is not None]
    return expected_ratio(architecture, known, stride) if len(known) == len(steps) else None


def _columns(title: str, rows: dict[str, dict[int, str]]) -> str:
    architectures = sorted({architecture for cells in rows.values() for architecture in cells})
    wide = max(map(len, (*rows, title)))
    cell = 1 + max(len(text) for cells in ({}, *rows.values()) for text in (*cells.values(), "sm_100  "))
    head = title.ljust(wide) + "".join(f"{f'sm_{a}':>{cell}}" for a in architectures)
    lines = (
        name.ljust(wide) + "".join(f"{cells.get(a, '-'):>{cell}}" for a in architectures)
        for name, cells in rows.items()
    )
    return "\n".join((head, *lines))
