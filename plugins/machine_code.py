"""What a compiled kernel is made of: instructions, and how often each is met.

Instructions are counted in the disassembly (nvdisasm, which Triton ships), in those that run once and in
those of each loop. Loops of our kernels nest no deeper than two.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LEAST = 16  # instructions: what is shorter waits for the hardware, and is no loop of ours
LABEL = re.compile(r"\s*(\.L_\w+):")
INSTRUCTION = re.compile(r"\s*/\*[0-9a-f]{4,}\*/\s+(?:@\S+\s+)?(.*?)\s*;")
BRANCH = re.compile(r"BRA.*`\((\.L_\w+)\)")
# Of all instructions: those of the float32 lanes, of the unit for exponentials, barriers.
KINDS = (r"", r"F(FMA|ADD|MUL)\b", r"MUFU", r"BAR\.SYNC|SYNCTHREADS")


def counted(cubin: bytes) -> dict[str, Any]:
    """Instructions of a thread: `once`, and of `loops` those of each turn and of a turn of the loop inside.

    Each as numbers in the order of KINDS.
    """
    import triton.backends.nvidia as nvidia

    tool = Path(nvidia.__file__).parent / "bin/nvdisasm"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        done = subprocess.run([tool, "-c", file.name], capture_output=True, text=True, check=True)
    return of_text(done.stdout)


def of_text(text: str) -> dict[str, Any]:
    labels: dict[str, int] = {}
    code: list[str] = []
    for line in text.splitlines():
        if label := LABEL.match(line):
            labels[label[1]] = len(code)
        elif instruction := INSTRUCTION.match(line):
            code.append(instruction[1])
    # What follows the end is jumped to while the hardware is not ready, and jumps back.
    end = max((i for i, one in enumerate(code) if one.startswith("EXIT")), default=len(code))
    loops = _loops(code[:end], labels)
    outer = [one for one in loops if not any(_inside(one, other) for other in loops)]
    found = []
    for first, last in outer:
        inner = [one for one in loops if _inside(one, (first, last))]
        unit = [_kinds(code[a : b + 1]) for a, b in inner]
        turn = _minus(_kinds(code[first : last + 1]), unit)
        found.append({"turn": turn, "unit": unit[0] if unit else [0] * len(KINDS)})
    once = _minus(_kinds(code[:end]), [_kinds(code[a : b + 1]) for a, b in outer])
    return {"once": once, "loops": found}


def _loops(code: Sequence[str], labels: dict[str, int]) -> list[tuple[int, int]]:
    """First and last instruction of each; jumps back to one place are one loop."""
    ends: dict[int, int] = {}
    for place, one in enumerate(code):
        if branch := BRANCH.match(one):
            start = labels[branch[1]]
            if place - start >= LEAST:
                ends[start] = place
    return sorted(ends.items())


def _inside(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one != other and other[0] <= one[0] and one[1] <= other[1]


def _kinds(code: Sequence[str]) -> list[int]:
    return [sum(bool(re.match(kind, one)) for one in code) for kind in KINDS]


def _minus(whole: list[int], parts: list[list[int]]) -> list[int]:
    return [total - sum(part[kind] for part in parts) for kind, total in enumerate(whole)]
