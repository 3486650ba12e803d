"""What only a Jetson has: JetPack, power modes, clocks that follow the load. Nothing is said elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tosa_edge.diagnosis.finding import Finding, finding
from tosa_edge.engine.gpu import jetpack as l4t_of
from tosa_edge.engine.gpu import module as module_of
from tosa_edge.machine import version_numbers

ROOT = Path("/")
# L4T is what the board reports; JetPack is the name people know it by.
_JETPACKS: dict[tuple[int, ...], str] = {
    (36, 3): "6.0",
    (36, 4): "6.1",
    (36, 4, 3): "6.2",
    (36, 4, 4): "6.2.1",
    (38, 2): "7.0",
    (38, 4): "7.1",
    (39, 2): "7.2",
}
# From this JetPack on, until the next.
_TENSORRTS: dict[tuple[int, ...], str] = {(6, 1): "10.3", (7, 0): "10.13", (7, 2): "10.16", (7, 2, 2): "11.4"}
_OLDEST = (36, 4)  # the first with TensorRT 10.3


def board(root: Path = ROOT) -> list[Finding]:
    l4t = l4t_of(root / "etc/nv_tegra_release")
    if l4t is None:
        return [Finding("JetPack", "not a Jetson")]
    number = l4t.removeprefix("L4T").strip()
    known = jetpack(root)
    value = f"{known} ({l4t})" if known else l4t
    old = bool(number) and version_numbers(number) < _OLDEST
    remedy = "TensorRT 10.3 comes with JetPack 6.1: flash 6.2 with SDK Manager, or build for ONNX Runtime."
    found = [finding("JetPack", value, remedy if old else "")]
    module = module_of(root / "proc/device-tree/model")
    return [*found, Finding("module", module)] if module else found


def jetpack(root: Path = ROOT) -> str | None:
    """By its package, else by what L4T stands for; None away from a Jetson, and where neither tells."""
    l4t = l4t_of(root / "etc/nv_tegra_release")
    package = package_version(_text(root / "var/lib/dpkg/status"), "nvidia-jetpack")
    return (package or jetpack_of(l4t.removeprefix("L4T").strip())) if l4t else None


def tensorrt_of(jetpack: str) -> str | None:
    """The TensorRT that comes with it: `10.3` for `6.2.1`."""
    before = [known for known in _TENSORRTS if known <= version_numbers(jetpack)]
    return _TENSORRTS[max(before)] if before else None


def jetpack_of(l4t: str) -> str | None:
    """`6.2` for `36.4.3`; a patch release we do not know is the one before it."""
    wanted = version_numbers(l4t)
    before = [known for known in _JETPACKS if known[:2] == wanted[:2] and known <= wanted]
    return _JETPACKS[max(before)] if before else None


def package_version(status: str, package: str) -> str | None:
    """The version of an installed package, from dpkg's own list."""
    for entry in status.split("\n\n"):
        if re.search(rf"^Package: {re.escape(package)}$", entry, re.MULTILINE):
            state = re.search(r"^Status: (.*)$", entry, re.MULTILINE)
            version = re.search(r"^Version: (\S+)", entry, re.MULTILINE)
            if version and (state is None or state[1].endswith(" installed")):
                return version[1]
    return None


@dataclass(frozen=True)
class PowerMode:
    """`fastest` is the number of the mode without a limit, where there is one."""

    number: int
    name: str
    fastest: int | None


def power_mode(conf: str, status: str) -> PowerMode | None:
    """From nvpmodel's table of modes and what it was last set to; None when it does not say."""
    modes = {int(n): name for n, name in re.findall(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=([^\s>]+)", conf)}
    chosen = re.search(r"pmode:(\d+)", status) or re.search(r"<\s*PM_CONFIG\s+DEFAULT=(\d+)", conf)
    if not modes or chosen is None:
        return None
    number = int(chosen[1])
    by_name = {name: n for n, name in modes.items()}
    fastest = next((by_name[name] for name in ("MAXN_SUPER", "MAXN") if name in by_name), None)
    return PowerMode(number, modes.get(number, f"mode {number}"), fastest)


def power(root: Path = ROOT) -> list[Finding]:
    mode = power_mode(_text(root / "etc/nvpmodel.conf"), _text(root / "var/lib/nvpmodel/status"))
    if mode is None:
        on_board = (root / "etc/nv_tegra_release").is_file()
        remedy = "Ask the board itself: `sudo nvpmodel -q`." if on_board else ""
        return [finding("power mode", "not known", remedy)] if on_board else []
    slow = mode.fastest is not None and mode.number != mode.fastest
    remedy = f"For full speed, if power and cooling allow: `sudo nvpmodel -m {mode.fastest}`."
    return [finding("power mode", f"{mode.name} ({mode.number})", remedy if slow else "")]


def clocks(root: Path = ROOT) -> list[Finding]:
    """Clocks that follow the load make the first frames after a pause slow, and every benchmark noisy."""
    if not (root / "etc/nv_tegra_release").is_file():
        return []
    places = sorted(
        p for p in (root / "sys/class/devfreq").glob("*") if re.search(r"\.(gpu|gv11b|ga10b)|gpc", p.name)
    )
    clock_limits = [(_number(p / "min_freq"), _number(p / "max_freq")) for p in places]
    known = [(low, high) for low, high in clock_limits if low and high]
    if not known:
        return [Finding("clocks", "not known")]
    low, high = known[0]
    if low == high:
        return [Finding("clocks", f"GPU fixed at {high // 1_000_000:,} MHz")]
    value = f"GPU from {low // 1_000_000:,} to {high // 1_000_000:,} MHz, by load"
    return [finding("clocks", value, "For even latency and for benchmarks: `sudo jetson_clocks`.")]


def _number(path: Path) -> int:
    text = _text(path).strip()
    return int(text) if text.isdigit() else 0


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
