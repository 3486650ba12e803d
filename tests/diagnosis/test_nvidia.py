"""Drivers and cards: usable, without a driver, kept out of a container."""

from __future__ import annotations

import pytest

from tests.diagnosis.jetsons import ORIN, THOR, lay
from tests.engine import samples
from tosa_edge.diagnosis import OK, OPTIONAL, nvidia
from tosa_edge.engine.select_backend import AUTO, select_backend
from tosa_edge.errors import MachineLacks

CARD = {
    "sys/bus/pci/devices/0000:00:02.0/vendor": "0x8086\n",
    "sys/bus/pci/devices/0000:00:02.0/class": "0x030000\n",
    "sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n",
    "sys/bus/pci/devices/0000:01:00.0/class": "0x030000\n",
    "sys/bus/pci/devices/0000:01:00.1/vendor": "0x10de\n",  # its sound
    "sys/bus/pci/devices/0000:01:00.1/class": "0x040300\n",
}
DRIVER = {
    "proc/driver/nvidia/version": (
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27 07:13:44 UTC 2025\n"
    ),
    "proc/driver/nvidia/gpus/0000:01:00.0/information": (
        "Model: \t\t NVIDIA GeForce RTX 4070\nIRQ:   \t\t 130\nGPU UUID: \t GPU-0\n"
    ),
}


def test_none(tmp_path):
    (one,) = nvidia.gpu(tmp_path)
    assert (one.value, one.verdict) == ("none", OPTIONAL)
    assert nvidia.cuda(tmp_path)[0].verdict == OK


def test_one_that_can_be_used(tmp_path):
    gpu, driver = nvidia.gpu(tmp_path, samples.RTX4070)
    assert (gpu.value, gpu.verdict) == ("NVIDIA GeForce RTX 4070 (sm89)", OK)
    assert driver.value == "580.10"
    lay(tmp_path, {"usr/local/cuda/version.json": ORIN["usr/local/cuda/version.json"]})
    assert nvidia.cuda(tmp_path, samples.RTX4070)[0].value == "13.0 (driver), 12.6.11 (toolkit)"


def test_one_without_a_driver(tmp_path):
    (one,) = nvidia.gpu(lay(tmp_path, CARD))
    assert one.value == "an NVIDIA card at 0000:01:00.0, without a driver"
    assert "`sudo ubuntu-drivers install`" in one.remedy


def test_one_that_a_container_was_not_given(tmp_path):
    gpu, driver = nvidia.gpu(lay(tmp_path, CARD | DRIVER))
    assert gpu.value == "NVIDIA GeForce RTX 4070, which cannot be used"
    assert "`--gpus all`" in gpu.remedy
    assert driver.value == "580.65.06"


@pytest.mark.parametrize(("files", "version"), [(ORIN, "540.4.0"), (THOR, "580.00"), ({}, None)])
def test_the_driver_by_what_the_kernel_says(tmp_path, files, version):
    assert nvidia.driver_version(lay(tmp_path, files)) == version


@pytest.mark.parametrize("text", ["", "[]", '{"cuda": 12}', '{"cuda": {"version": 12}}', "{"])
def test_a_toolkit_that_does_not_say(text):
    assert nvidia.toolkit_version(text) is None


def test_what_auto_takes_and_why():
    (here,) = nvidia.chosen(select_backend(AUTO, samples.machine()))
    assert here.value.startswith("onnxruntime: no NVIDIA GPU here")
    (on_orin,) = nvidia.chosen(select_backend(AUTO, samples.machine(samples.ORIN)))
    assert on_orin.value == "tensorrt: the best of what this machine runs"


def test_providers_of_onnx_runtime_are_started(monkeypatch):
    def start(name):
        if name == "rtx":
            raise MachineLacks("it does not start", "Do this.")

    monkeypatch.setattr(nvidia, "installed", lambda: ("rtx", "cuda"))
    monkeypatch.setattr(nvidia, "version_of_provider", lambda name: "1.0")
    rtx, cuda = nvidia.providers(samples.RTX4070, start)
    assert (rtx.value, rtx.verdict, rtx.remedy) == ("1.0: it does not start", OPTIONAL, "Do this.")
    assert (cuda.name, cuda.value, cuda.verdict) == ("provider cuda", "1.0, starts", OK)
    monkeypatch.setattr(nvidia, "find_gpu", lambda: None)
    assert [one.verdict for one in nvidia.providers(None, start)] == [OK, OK]


@pytest.mark.parametrize(
    ("gpu", "version", "remedy"),
    [
        (samples.ORIN, "13.4.4", "`pip install 'cuda-python>=12.9.1,<13'`"),  # what pip brings on JetPack 6
        (samples.ORIN, "12.9.7", ""),
        (samples.RTX4070, "12.9.1", ""),  # a later driver serves earlier bindings
        (samples.RTX4070, "12.9.0", "`pip install 'cuda-python>=12.9.1,<14'`"),  # holds Python's lock
        (samples.RTX4070, "13.4.4", ""),
    ],
)
def test_cuda_python_fits_the_driver(gpu, version, remedy):
    (one,) = nvidia.bindings(gpu, version)
    assert (one.value, one.verdict) == (version, OPTIONAL if remedy else OK)
    assert remedy in one.remedy


def test_cuda_python_that_is_missing(monkeypatch):
    monkeypatch.setattr(nvidia.machine, "version_of", lambda package: None)
    assert "cuda-python>=12.9.1,<13" in nvidia.bindings(samples.ORIN)[0].remedy
    monkeypatch.setattr(nvidia, "find_gpu", lambda: None)
    assert "`pip install 'cuda-python>=12.9.1'`" in nvidia.bindings()[0].remedy
