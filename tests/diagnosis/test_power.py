"""Power, temperature and power mode of made-up Jetsons: files laid down as their kernels do."""

from __future__ import annotations

import pytest

from tests.diagnosis.jetsons import ORIN, THOR, lay
from tosa_edge.diagnosis.power import Power, read_power


def chip(number: int, name: str, channels: dict[str, tuple[int, int]]) -> dict[str, str]:
    """An INA3221: three channels of mV and mA; the others are shunt voltages and their sum."""
    folder = f"sys/class/hwmon/hwmon{number}"
    files = {f"{folder}/name": f"{name}\n", f"{folder}/in7_label": "sum of shunt voltages\n"}
    files |= {f"{folder}/in7_input": "12\n", f"{folder}/in4_input": "4\n"}
    for channel, (label, (millivolts, milliamperes)) in enumerate(channels.items(), 1):
        files |= {
            f"{folder}/in{channel}_label": f"{label}\n",
            f"{folder}/in{channel}_input": f"{millivolts}\n",
            f"{folder}/curr{channel}_input": f"{milliamperes}\n",
        }
    return files


def zones(**celsius: int) -> dict[str, str]:
    files = {}
    for index, (name, value) in enumerate(celsius.items()):
        files[f"sys/class/thermal/thermal_zone{index}/type"] = f"{name}-thermal\n"
        files[f"sys/class/thermal/thermal_zone{index}/temp"] = f"{value}\n"
    return files


NANO = chip(1, "ina3221", {"VDD_IN": (5016, 1480), "VDD_CPU_GPU_CV": (5016, 560), "VDD_SOC": (5008, 352)})
AGX = chip(3, "ina3221", {"VDD_GPU_SOC": (19200, 200), "VDD_CPU_CV": (19200, 50), "VIN_SYS_5V0": (5000, 900)})
AGX |= chip(4, "ina3221", {"NC": (5000, 7), "VDDQ_VDD2_1V8AO": (5000, 100)})


def test_the_rail_that_feeds_all_others(tmp_path):
    found = read_power(lay(tmp_path, ORIN | NANO | zones(cpu=50_250, tj=51_500, gpu=49_000)))
    assert found == Power(7.424, ("VDD_IN",), 51.5, "25W")
    assert found.as_dict() == {"power_w": 7.424, "temp_c": 51.5, "power_mode": "25W"}


def test_without_one_the_sum_of_those_that_are_connected(tmp_path):
    found = read_power(lay(tmp_path, ORIN | AGX))
    assert found.of == ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO")
    assert found.watts == pytest.approx(3.84 + 0.96 + 4.5 + 0.5)


def test_a_chip_that_counts_watts_itself(tmp_path):
    """Thor's: one channel, in microwatts; its rails are part of it."""
    whole = {
        "sys/class/hwmon/hwmon0/name": "ina238\n",
        "sys/class/hwmon/hwmon0/label": "VIN\n",
        "sys/class/hwmon/hwmon0/power1_input": "23400000\n",
    }
    rails = chip(5, "ina3221", {"VDD_GPU": (12000, 300), "VDD_CPU_SOC_MSS": (12000, 500)})
    found = read_power(lay(tmp_path, THOR | whole | rails))
    assert (found.watts, found.of, found.mode) == (23.4, ("VIN",), "MAXN")


def test_a_zone_that_sleeps_and_chips_of_other_kinds(tmp_path):
    other = {"sys/class/hwmon/hwmon9/name": "nvme\n", "sys/class/hwmon/hwmon9/in1_label": "VDD_IN\n"}
    root = lay(tmp_path, ORIN | other | zones(gpu=-256_000, cpu=44_000))
    assert read_power(root) == Power(None, (), 44.0, "25W")
    assert read_power(root).as_dict() == {"temp_c": 44.0, "power_mode": "25W"}
    for zone in (root / "sys/class/thermal").glob("*/temp"):
        zone.write_text("")  # EAGAIN reads like this or fails; both are no reading
    assert read_power(root).celsius is None


def test_no_jetson_and_nothing_readable(tmp_path):
    assert read_power(lay(tmp_path / "laptop", zones(x86_pkg_temp=60_000))) is None
    broken = chip(1, "ina3221", {"VDD_IN": (5000, 1000)})
    broken["sys/class/hwmon/hwmon1/curr1_input"] = "?\n"
    found = read_power(lay(tmp_path / "broken", ORIN | broken))
    assert (found.watts, found.of) == (None, ())
    bare = lay(tmp_path / "bare", {"etc/nv_tegra_release": "# R36 (release), REVISION: 4.3\n"})
    assert read_power(bare) == Power(None, (), None, None)
    assert read_power(bare).as_dict() == {}
