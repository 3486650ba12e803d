"""The GPU runtime on a GPU made of host memory: the real cuda-python over a driver of our own.

It runs in a process of its own, for which that driver is the machine's: to this one there is no GPU.
`python -m pytest tests/test_fake_gpu.py -s` shows the tests inside.
"""

from __future__ import annotations

import re
import shutil

import pytest

from tests.fake_gpu.machine import build, run_tests


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    if not (shutil.which("g++") or shutil.which("c++")):
        pytest.skip("the fake driver needs a C++ compiler")
    pytest.importorskip("cuda", reason="cuda-python is not installed")
    folder = tmp_path_factory.mktemp("driver")
    build(folder)
    return folder


def test_the_gpu_runtime(driver):
    done = run_tests(driver, "--durations=5")
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 100
    assert "skipped" not in done.stdout
