"""fit.ptx: made of fit.cu as it is, loadable by the oldest driver, and code for every GPU. What the kernels
compute is compared with OpenCV in tests/fake_gpu/test_kernels.py."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

from tosa_edge.cuda import compile as kernels
from tosa_edge.cuda.kernels import _Geometry
from tosa_edge.errors import MachineLacks

PTX = kernels.PTX.read_text()


def test_the_committed_ptx_is_of_the_source_as_it_is():
    """If not: python -m tosa_edge.cuda.compile, with NVRTC of CUDA 12.4."""
    assert PTX.startswith(kernels.stamp(kernels.SOURCE.read_bytes()))


def test_jetpack_6_and_the_oldest_gpu_take_it():
    version = tuple(int(n) for n in re.search(r"^\.version (\d+)\.(\d+)$", PTX, re.MULTILINE).groups())
    assert version <= (8, 5)  # CUDA 12.6
    assert ".target sm_75" in PTX


def test_its_parameters_are_those_that_are_passed():
    for entry in ("fit_frame", "restore_depth"):
        found = re.search(rf"\.entry {entry}\((.*?)\)", PTX, re.DOTALL)[1]
        kinds = re.findall(r"\.param (?:\.align \d+ )?\.(\w+) \w+(?:\[(\d+)\])?", found)
        assert kinds == [("u64", ""), ("u64", ""), ("b8", str(ctypes.sizeof(_Geometry)))]


def test_no_product_and_sum_are_rounded_as_one():
    """The CPU, where the kernels are compared with OpenCV, rounds them twice."""
    assert "mul.f32" in PTX.replace("mul.rn.f32", "mul.f32")
    assert "fma" not in PTX


@pytest.mark.parametrize("sm", [75, 80, 86, 87, 89, 90])
def test_it_is_code_for(sm, tmp_path):
    found = importlib.util.find_spec("triton")
    ptxas = Path(found.origin).parent / "backends/nvidia/bin/ptxas" if found else None
    if ptxas is None or not ptxas.is_file():
        pytest.skip("Triton, which brings an assembler, is not installed")
    words = [ptxas, f"-arch=sm_{sm}", "-v", kernels.PTX, "-o", tmp_path / "fit.cubin"]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stderr
    assert told.count("0 bytes spill stores") == 2
    assert (tmp_path / "fit.cubin").read_bytes()[:4] == b"\x7fELF"


@pytest.mark.parametrize("architecture", ["sm_87", "sm_90", "sm_120", kernels.OLDEST])
def test_nvrtc_compiles_the_source(architecture):
    try:
        made = kernels.compiled(architecture)
    except MachineLacks as error:
        pytest.skip(error.what)
    assert made[:4] == b"\x7fELF" if architecture.startswith("sm_") else b".entry fit_frame" in made
