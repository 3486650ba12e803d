"""The C++ plugin library against real TensorRT headers: compiled, walked through, registered.

The headers come with TensorRT and are in no package, so this is skipped unless TENSORRT_INCLUDE_DIRS names
some: header folders of releases from 10.3 to 11, a colon between them.
"""

import re
import shutil
import subprocess

import pytest

from tests.plugins import native
from tests.plugins.small_kernels import HEAD_DIM, HEADS, HIDDEN

if not native.HEADERS:
    pytest.skip("TENSORRT_INCLUDE_DIRS names no TensorRT headers", allow_module_level=True)
if native.lacking():
    pytest.skip(native.lacking(), allow_module_level=True)

from tosa_edge.plugins.library import tensorrt_major

OPERATORS = ("TokenImportance", "TokenGather", "SelectiveAttention", "TokenScatter")
LIBRARY, REGISTER = "plugin/libtosa_edge_plugins.so", "plugin/libtosa_edge_register.so"


@pytest.fixture(scope="module", params=native.HEADERS, ids=str)
def plain(request, small_kernels, tmp_path_factory):
    return native.build(tmp_path_factory.mktemp("plain"), small_kernels, headers=request.param)


@pytest.fixture(scope="module", params=native.HEADERS, ids=str)
def sanitized(request, small_kernels, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sanitized")
    return native.build(folder, small_kernels, native.SANITIZED, headers=request.param)


def walk(built, sm, *before):
    """All checks passed: what was said on the way."""
    asked = [built / "walk", built / LIBRARY, HEADS, HEAD_DIM, 0, HIDDEN]
    said = native.call(*before, *asked, environment=native.with_driver(built, sm))
    assert "FAILED" not in said
    for operator in OPERATORS:
        assert f"ok was walked: {operator}" in said
    return said


@pytest.mark.parametrize("sm", [0, 87], ids=["without GPU", "with the tests' driver"])
def test_a_walk_under_sanitizers(sanitized, sm):
    said = walk(sanitized, sm)
    assert ("driver launch" in said) == bool(sm)


@pytest.mark.skipif(not shutil.which("valgrind"), reason="needs valgrind")
@pytest.mark.parametrize("sm", [0, 87], ids=["without GPU", "with the tests' driver"])
def test_a_walk_under_valgrind(plain, sm):
    walk(plain, sm, "valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full")


def test_enqueue_does_nothing_but_launch(plain):
    said = walk(plain, 87)
    enqueued = re.findall(r"enqueue (\w+)\n(.*?)ok is enqueued, and allocates nothing", said, re.DOTALL)
    # Each as created, as cloned and from an engine; TokenImportance with and without weights.
    assert {name for name, _ in enqueued} == set(OPERATORS)
    assert len(enqueued) == 3 * 5
    for name, calls in enqueued:
        assert re.findall(r"driver (\w+)", calls) == ["launch"] * (2 if name == "TokenImportance" else 1)
    loaded = re.findall(r"(\d+) loaded", said)
    assert loaded[-1] == "0", "a module was not unloaded"


def test_the_library_says_no_more_than_it_must(plain):
    """No symbol of TensorRT or CUDA is needed to load it, and what it has inside stays inside."""
    said = native.call("nm", "--dynamic", plain / LIBRARY)
    assert not re.search(r" U (cu|cuda|nv|_ZN8nvinfer1|create|getPluginRegistry)", said)
    given = {line.split()[-1] for line in said.splitlines() if re.search(r" [TRDBV] ", line)}
    assert given == {"getCreators", "setLoggerFinder", "tosa_edge_tensorrt_major"}


def test_it_says_which_tensorrt_it_is_for(plain):
    (registry,) = (plain / "tensorrt").glob("libnvinfer.so.*")  # named after the version in the headers
    assert f".{tensorrt_major(plain / LIBRARY)}" == registry.suffix


def test_the_other_library_registers_each_plugin_once(plain, tmp_path):
    """Preloaded, as a server does it; also when two copies come together."""
    copy = shutil.copytree(plain / "plugin", tmp_path / "copy", ignore=shutil.ignore_patterns("CMakeFiles"))
    preload = f"{plain / REGISTER}:{copy / 'libtosa_edge_register.so'}"
    environment = {"LD_LIBRARY_PATH": str(plain / "tensorrt"), "LD_PRELOAD": preload}
    said = subprocess.run(["/bin/true"], env=environment, capture_output=True, text=True, check=True).stdout
    assert sorted(said.split()[1::2]) == sorted(f"tosa_edge::{name}" for name in OPERATORS)


def test_without_tensorrt_it_says_so_and_goes_on(plain):
    environment = {"LD_PRELOAD": str(plain / REGISTER)}
    done = subprocess.run(["/bin/true"], env=environment, capture_output=True, text=True, check=True)
    assert re.search(r"tosa-edge: no plugin is registered: libnvinfer.so.1\d", done.stderr)
