"""The rest of what the doctor looks at, and that nothing makes it fall over."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from tosa_edge.diagnosis import CHECKS, NEEDED, OK, OPTIONAL, diagnose, hardware, software, video


def test_whatever_is_not_ok_has_a_remedy_and_no_name_comes_twice():
    found = diagnose()
    assert all(bool(f.remedy) == (f.verdict != OK) for f in found)
    assert len({f.name for f in found}) == len(found) > 20
    assert all("\n" not in f.value + f.remedy for f in found)
    assert next(f for f in found if f.name == "backend auto").value


def test_a_check_that_fails_is_a_finding_and_the_others_go_on():
    def broken():
        raise AttributeError("partially initialized module\n'cv2'")

    first, second = diagnose({"GStreamer": broken, "disk": lambda: hardware.disk(free_mb=9000)})
    assert first.name == "GStreamer"
    assert first.value == "cannot be told: AttributeError: partially initialized module 'cv2'"
    assert first.verdict == OPTIONAL
    assert second.verdict == OK


@pytest.mark.parametrize("module", ["numpy", "onnx", "onnxruntime", "cv2"])
def test_a_package_that_is_not_there(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)  # makes the import fail
    found = {f.name: f for f in diagnose()}
    name = "opencv" if module == "cv2" else module
    assert found[name].verdict == NEEDED
    assert "`pip install" in found[name].remedy
    assert found["Python"].verdict == OK


def test_a_package_that_is_there_by_half(monkeypatch):
    """As after an interrupted upgrade: a folder without its contents imports, and is empty."""
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    found = {f.name: f for f in diagnose()}
    providers = found["ONNX Runtime's providers"]
    assert (providers.value, providers.verdict) == ("none", NEEDED)
    assert "--force-reinstall onnxruntime" in providers.remedy


def test_an_old_python():
    assert software.python((3, 9))[1].verdict == NEEDED
    assert software.python((3, 10))[1].verdict == OK


def test_providers():
    assert software.providers(["AzureExecutionProvider", "CPUExecutionProvider"])[0].value == "Azure, CPU"
    assert software.providers([])[0].verdict == NEEDED


def test_both_onnxruntimes_in_one_environment():
    known = ["CPUExecutionProvider"]
    assert len(software.providers(known, ["onnxruntime-gpu"])) == 1
    _, twice = software.providers(known, ["onnxruntime", "onnxruntime-gpu"])
    assert (twice.value, twice.verdict) == ("onnxruntime and onnxruntime-gpu", OPTIONAL)
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in twice.remedy


@pytest.mark.parametrize(
    ("features", "arch", "value", "verdict"),
    [
        (["avx2", "avx512f", "avx512_vnni", "amx_int8"], "x86_64", "fast: AMX, VNNI", OK),
        (["avx2", "avx_vnni"], "x86_64", "fast: VNNI", OK),
        (["avx2"], "x86_64", "slow: no VNNI", OPTIONAL),
        ([], "x86_64", "slow: not even AVX2", OPTIONAL),
        (["asimdhp", "asimddp"], "aarch64", "fast: dot products", OK),  # the Orin's
        (["asimddp", "i8mm", "sve"], "aarch64", "fast: I8MM, dot products", OK),  # Thor's
        (["fphp"], "aarch64", "slow: no dot products", OPTIONAL),
    ],
)
def test_whether_int8_pays(features, arch, value, verdict):
    (found,) = hardware.integers(features, arch)
    assert (found.value, found.verdict) == (value, verdict)


def test_memory_and_disk():
    assert hardware.memory({"total": 7620, "available": 800})[0].verdict == OPTIONAL
    assert hardware.memory({"total": 7620, "available": 5000})[0].value == "5,000 MB free of 7,620 MB"
    assert hardware.memory({})[0].value == "not known"
    assert hardware.disk(free_mb=300)[0].verdict == OPTIONAL
    assert hardware.disk(free_mb=3000)[0].verdict == OK


def test_gstreamer():
    def findings(*there):
        return {f.name: f for f in video.gstreamer(lambda *names: set(names) <= set(there))}

    without = findings("rtspsrc")["GStreamer"]
    assert without.verdict == OPTIONAL
    assert "apt install gstreamer1.0-tools" in without.remedy
    desktop = findings("gdppay", "rtspsrc")
    assert [f.verdict for f in desktop.values()] == [OK, OK, OPTIONAL, OK]
    assert "gstreamer1.0-libav" in desktop["H.264 in GStreamer"].remedy
    assert desktop["csi://"].value.startswith("no")
    jetson = findings("gdppay", "rtspsrc", "nvv4l2decoder", "nvarguscamerasrc", "nvvidconv")
    assert {f.verdict for f in jetson.values()} == {OK}
    assert jetson["csi://"].value == "can be opened"


def test_every_check_has_a_name_of_its_own():
    assert len(set(CHECKS.values())) == len(CHECKS)
