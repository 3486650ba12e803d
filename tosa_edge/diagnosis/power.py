"""What a Jetson draws, how warm it is and in which power mode: read from the kernel's files, without rights.

The sensors average over some milliseconds of their own, so a reading is of the last moment, not of a frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tosa_edge.diagnosis.jetson import ROOT, power_mode

# Rails that feed all others. Boards without one (AGX Orin) are the sum of what they measure.
_WHOLE = ("VDD_IN", "VIN")
_CHIPS = ("ina3221", "ina238", "ina226")
# The junction is the warmest spot of the chip, and what its throttling goes by.
_ZONES = ("tj-thermal", "gpu-thermal", "cpu-thermal")


@dataclass(frozen=True)
class Power:
    """`watts` of the rail or the rails in `of`; None for what the system does not offer."""

    watts: float | None
    of: tuple[str, ...]
    celsius: float | None
    mode: str | None

    def as_dict(self) -> dict[str, Any]:
        """What is known, under the names that `--json` has for it."""
        found = {"power_w": self.watts, "temp_c": self.celsius, "power_mode": self.mode}
        return {name: value for name, value in found.items() if value is not None}


def read_power(root: Path = ROOT) -> Power | None:
    """None on a machine that is no Jetson."""
    rails = _rails(root)
    if not rails and not (root / "etc/nv_tegra_release").is_file():
        return None
    whole = next(((name,) for name in _WHOLE if name in rails), tuple(rails))
    mode = power_mode(_text(root / "etc/nvpmodel.conf"), _text(root / "var/lib/nvpmodel/status"))
    watts = round(sum(rails[name] for name in whole), 3) if rails else None
    return Power(watts, whole, _celsius(root), mode.name if mode else None)


def _rails(root: Path) -> dict[str, float]:
    """Watts by the name of the rail. Numbers of hwmon folders change from start to start; names stay."""
    found: dict[str, float] = {}
    for chip in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        if _text(chip / "name").strip() not in _CHIPS:
            continue
        # Three channels of a chip have a name and a current; the others are sums of shunt voltages.
        labels = {path: path.name[2:-6] for path in sorted(chip.glob("in*_label"))} or {chip / "label": "1"}
        for label, channel in labels.items():
            name, watts = _text(label).strip(), _watts(chip, channel)
            if name and name != "NC" and watts is not None:
                found[name] = watts
    return found


def _watts(chip: Path, channel: str) -> float | None:
    microwatts = _number(chip / f"power{channel}_input")
    if microwatts is not None:
        return microwatts / 1e6
    millivolts, milliamperes = _number(chip / f"in{channel}_input"), _number(chip / f"curr{channel}_input")
    return None if millivolts is None or milliamperes is None else millivolts * milliamperes / 1e6


def _celsius(root: Path) -> float | None:
    """Of the first zone in `_ZONES` that can be read: one whose part of the chip is asleep cannot."""
    zones = {}
    for zone in (root / "sys/class/thermal").glob("thermal_zone*"):
        value = _number(zone / "temp")
        if value is not None and value > -40_000:
            zones[_text(zone / "type").strip().lower()] = value / 1000
    return next((round(zones[name], 1) for name in _ZONES if name in zones), None)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
