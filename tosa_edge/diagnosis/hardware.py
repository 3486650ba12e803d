"""The processor, memory, swap and disk."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Sequence
from pathlib import Path

from tosa_edge import machine
from tosa_edge.diagnosis.finding import Finding, finding

_ROOMY_MB = 15_000  # a machine with as much builds every engine without swap
_LEAST_SWAP_MB = 4_000
_LEAST_DISK_MB = 1_000
ADD_SWAP = (
    "sudo fallocate -l 8G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && "
    "sudo swapon /swapfile"
)


def processor() -> list[Finding]:
    return [
        Finding("CPU", f"{machine.cpu_name()} ({platform.machine()})"),
        Finding("CPU features", ", ".join(machine.cpu_features()) or "none known"),
        Finding("cores", str(machine.cores())),
    ]


def integers(features: Sequence[str] | None = None, arch: str = platform.machine()) -> list[Finding]:
    """Whether INT8 pays on this CPU: it takes instructions that multiply bytes and add up words."""
    known = set(machine.cpu_features() if features is None else features)
    fast = {
        "amx_int8": "AMX",
        "avx512_vnni": "VNNI",
        "avx_vnni": "VNNI",
        "i8mm": "I8MM",
        "asimddp": "dot products",
    }
    has = list(dict.fromkeys(name for flag, name in fast.items() if flag in known))
    if has:
        return [Finding("INT8 on the CPU", f"fast: {', '.join(has)}")]
    value = "slow: no VNNI" if arch == "x86_64" else "slow: no dot products"
    if arch == "x86_64" and "avx2" not in known:
        value = "slow: not even AVX2"
    remedy = "Measure before you use it: `tosa-edge bench`. `--activations symmetric` is right on every CPU."
    return [finding("INT8 on the CPU", value, remedy)]


def memory(found: dict[str, int] | None = None) -> list[Finding]:
    found = machine.memory_mb() if found is None else found
    if "available" not in found:
        return [Finding("memory", "not known")]
    free, total = found["available"], found["total"]
    remedy = "Close other programs: models need up to 1 GB. The largest: `ps aux --sort=-rss | head`."
    return [finding("memory", f"{free:,} MB free of {total:,} MB", remedy if free < 1024 else "")]


def swap(swaps: Path = Path("/proc/swaps"), total: int | None = None) -> list[Finding]:
    """Compressed memory is no swap to a build: it takes from what it gives to."""
    total = machine.memory_mb().get("total", 0) if total is None else total
    try:
        on_disk, in_memory = swap_mb(swaps.read_text())
    except OSError:
        return [Finding("swap", "not known")]
    value = f"{on_disk:,} MB on disk" + (f", {in_memory:,} MB compressed memory" if in_memory else "")
    short = on_disk < _LEAST_SWAP_MB and 0 < total < _ROOMY_MB
    remedy = f"TensorRT builds may need more than this memory: `{ADD_SWAP}`." if short else ""
    return [finding("swap", value if on_disk or in_memory else "none", remedy)]


def swap_mb(text: str) -> tuple[int, int]:
    """MB on disk and in compressed memory, of /proc/swaps."""
    on_disk = in_memory = 0
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) < 3 or not words[-3].isdigit():
            continue
        if "zram" in words[0]:
            in_memory += int(words[-3]) // 1024
        else:
            on_disk += int(words[-3]) // 1024
    return on_disk, in_memory


def disk(folder: Path = Path(), free_mb: int | None = None) -> list[Finding]:
    free = shutil.disk_usage(folder).free // 2**20 if free_mb is None else free_mb
    remedy = "Free some space, or build elsewhere with `-o`: an engine takes up to 200 MB."
    return [finding("disk", f"{free:,} MB free here", remedy if free < _LEAST_DISK_MB else "")]
