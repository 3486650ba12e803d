"""What this machine is, as an engine sees it; the driver by a stand-in, for there may be none."""

from __future__ import annotations

import ctypes

import pytest

from tests import tiny
from tosa_edge import machine
from tosa_edge.builder.build import build
from tosa_edge.engine import BACKENDS, ONNXRUNTIME, TENSORRT, TENSORRT_RTX
from tosa_edge.engine.gpu import Gpu, find_gpu, jetpack, module
from tosa_edge.engine.load import load_engine
from tosa_edge.engine.this_machine import this_machine


class Driver:
    """libcuda of a Jetson Orin with CUDA 12.6."""

    devices, status = 1, 0

    def cuInit(self, flags):  # noqa: N802 - as the library names it
        return self.status

    def cuDeviceGetCount(self, count):  # noqa: N802
        count._obj.value = self.devices
        return 0

    def cuDeviceGet(self, device, ordinal):  # noqa: N802
        device._obj.value = ordinal
        return 0

    def cuDriverGetVersion(self, version):  # noqa: N802
        version._obj.value = 12060
        return 0

    def cuDeviceGetName(self, name, length, device):  # noqa: N802
        name.value = b"Orin"
        return 0

    def cuDeviceGetAttribute(self, value, which, device):  # noqa: N802
        value._obj.value = {75: 8, 76: 7, 18: 1, 16: 4}[which]
        return 0


def test_the_driver_is_asked(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver())
    found = find_gpu()
    assert found is not None
    assert (found.name, found.sm, found.cuda, found.integrated) == ("Orin", 87, "12.6", True)
    assert found.multiprocessors == 4


@pytest.mark.parametrize("lacks", [{"devices": 0}, {"status": 100}])
def test_a_driver_without_a_device_is_no_gpu(monkeypatch, lacks):
    driver = Driver()
    for name, value in lacks.items():
        setattr(driver, name, value)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: driver)
    assert find_gpu() is None


def test_no_driver_is_no_gpu(monkeypatch):
    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert find_gpu() is None


def test_jetpack_by_its_release_file(tmp_path):
    path = tmp_path / "nv_tegra_release"
    assert jetpack(path) is None
    path.write_text("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n")
    assert jetpack(path) == "L4T 36.4.3"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0", "Jetson Orin Nano"),
        ("NVIDIA Orin NX Developer Kit\0", "Jetson Orin NX"),
        ("NVIDIA Jetson AGX Orin\0", "Jetson AGX Orin"),
        ("NVIDIA Jetson AGX Thor Developer Kit\0", "Jetson AGX Thor"),
        ("Raspberry Pi 4 Model B Rev 1.4\0", None),
    ],
)
def test_the_module_by_the_device_tree(tmp_path, text, name):
    path = tmp_path / "model"
    assert module(path) is None
    path.write_text(text)
    assert module(path) == name


def test_only_what_matters_is_looked_up():
    here = this_machine((ONNXRUNTIME,))
    assert here.versions == {ONNXRUNTIME: machine.onnxruntime_version()}
    assert here.gpu is None
    assert here.host.cpu_features == tuple(machine.cpu_features())


@pytest.mark.gpu
@pytest.mark.parametrize("backend", [TENSORRT, TENSORRT_RTX])
def test_an_engine_built_on_this_gpu_opens_on_it(tmp_path, backend):
    here = this_machine(BACKENDS)
    assert isinstance(here.gpu, Gpu)
    if here.versions[backend] is None:
        pytest.skip(f"{backend} is not installed")
    model = tiny.save(tmp_path / "m.onnx", tiny.selective_info())
    built = build(str(model), backend=backend, out=tmp_path)
    assert load_engine(built.engine).num_io_tensors == 3
