"""What the driver refuses, in words; and machines that cannot serve at all."""

from __future__ import annotations

import sys

import pytest

from tosa_edge.cuda import driver
from tosa_edge.cuda.driver import CudaError, call
from tosa_edge.errors import MachineLacks


@pytest.fixture(autouse=True)
def afresh():
    for known in (driver.start, driver.bindings):
        known.cache_clear()
    yield
    for known in (driver.start, driver.bindings):
        known.cache_clear()


def test_an_error_has_the_drivers_name_and_a_remedy(fake):
    fake.fail("cuCtxGetCurrent", 2)
    with pytest.raises(CudaError) as error:
        call("cuCtxGetCurrent")
    fake.fail("cuCtxGetCurrent", 0)
    assert error.value.what == "the GPU's driver refused cuCtxGetCurrent: CUDA_ERROR_OUT_OF_MEMORY"
    assert "Close other programs" in error.value.remedy
    assert error.value.exit_code == 3


def test_a_function_that_this_driver_has_not(fake):
    with pytest.raises(CudaError, match="cuMemPoolCreate"):  # nor has the fake
        call("cuMemPoolCreate", driver.bindings().CUmemPoolProps())


def test_bindings_of_a_later_cuda_than_the_drivers(fake):
    """On JetPack 6.2 pip installs cuda-python 13, and the driver is of CUDA 12.6."""
    fake.machine(driver=12060)
    ours = driver.bindings().CUDA_VERSION // 1000
    if ours == 12:
        driver.start()
        return
    with pytest.raises(MachineLacks, match=f"cuda-python here is for CUDA {ours}") as error:
        driver.start()
    assert error.value.remedy == "pip install 'cuda-python>=12.9.1,<13'"


def test_no_device(fake):
    fake.fail("cuInit", 100)
    with pytest.raises(MachineLacks, match="no NVIDIA GPU that can be used here: CUDA_ERROR_NO_DEVICE"):
        driver.start()
    fake.fail("cuInit", 0)


def test_without_cuda_python(fake, monkeypatch):
    for name in ("cuda", "cuda.bindings"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MachineLacks, match="cuda-python, which is not installed") as error:
        driver.start()
    assert "pip install" in error.value.remedy
