"""Kernels are compiled once for all tests of the C++ plugin."""

import pytest

from tests.plugins import native


@pytest.fixture(scope="session")
def small_kernels(tmp_path_factory):
    """The folder with a small model's tables and cubins."""
    return native.small_kernels(tmp_path_factory.mktemp("small_kernels"))
