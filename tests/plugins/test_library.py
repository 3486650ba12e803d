"""Where the plugin library is looked for, and how a process gets it once; the registry is a stand-in."""

import hashlib
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.plugins import OPERATORS, library

TENSORRT = Path(library.__file__).parent / "tensorrt"

needs_compiler = pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")


class Registry:
    """Args: space: the namespace under which it registers what a library lists."""

    def __init__(self, takes=True, space="tosa_edge"):
        self.takes, self.space, self.loaded, self.known = takes, space, [], set()

    def get_creator(self, name, version, space):
        assert version == "1"
        return name if (name, space) in self.known else None

    def load_library(self, path):
        self.loaded.append(path)
        self.known |= {(operator.name, self.space) for operator in OPERATORS if self.takes}
        return object() if self.takes else None


def tensorrt(registry, version="10.3.0"):
    return SimpleNamespace(__version__=version, get_plugin_registry=lambda: registry)


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A machine without a library; the folder where one would be found."""
    monkeypatch.delenv(library.VARIABLE, raising=False)
    monkeypatch.setattr(library, "PLACES", (tmp_path / "first" / library.NAME, tmp_path / library.NAME))
    return tmp_path


def compiled(path, text="int tosa_edge_tensorrt_major = 10;"):
    command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(path)]
    subprocess.run(command, input=text, text=True, check=True)
    return path


def test_the_variable_comes_first_then_the_places(nowhere, monkeypatch):
    assert library.find_library() is None
    (nowhere / library.NAME).write_bytes(b"built")
    assert library.find_library() == nowhere / library.NAME
    mine = nowhere / "mine.so"
    mine.write_bytes(b"mine")
    monkeypatch.setenv(library.VARIABLE, str(mine))
    assert library.find_library() == mine
    mine.unlink()
    with pytest.raises(TosaEdgeError, match="TOSA_EDGE_PLUGIN names"):
        library.find_library()


@needs_compiler
def test_it_is_loaded_once(nowhere):
    path, registry = compiled(nowhere / library.NAME), Registry()
    for _ in range(2):
        library.load_library(tensorrt(registry))
    assert registry.loaded == [str(path)]


def test_none_is_a_remedy(nowhere):
    with pytest.raises(MachineLacks, match="make plugin"):
        library.load_library(tensorrt(Registry()))


@needs_compiler
def test_one_for_another_tensorrt_is_not_loaded(nowhere):
    compiled(nowhere / library.NAME)
    registry = Registry()
    with pytest.raises(MachineLacks, match=r"compiled for TensorRT 10, and this is 11\.1\.0"):
        library.load_library(tensorrt(registry, "11.1.0"))
    assert not registry.loaded


@needs_compiler
@pytest.mark.parametrize("text", [None, "int something_else;"], ids=["no library", "another one"])
def test_what_is_not_ours_is_not_loaded(nowhere, text):
    path = nowhere / library.NAME
    compiled(path, text) if text else path.write_bytes(b"text")
    with pytest.raises(MachineLacks, match="is not our plugin library"):
        library.load_library(tensorrt(Registry()))


@needs_compiler
def test_a_registry_that_refuses_is_heard(nowhere):
    compiled(nowhere / library.NAME)
    with pytest.raises(MachineLacks, match="does not take"):
        library.load_library(tensorrt(Registry(takes=False)))


@needs_compiler
def test_plugins_that_are_not_where_the_parser_looks_are_missed(nowhere):
    path = compiled(nowhere / library.NAME)
    with pytest.raises(
        MachineLacks, match=r"took .* and does not know TokenImportance, .*TokenScatter"
    ) as error:
        library.load_library(tensorrt(Registry(space="")))
    assert f"LD_PRELOAD={path.with_name('libtosa_edge_register.so')}" in error.value.remedy
    # One of them alone is not enough, whoever registered it.
    registry = Registry()
    registry.known.add(("TokenGather", "tosa_edge"))
    library.load_library(tensorrt(registry))
    assert registry.loaded == [str(path)]


@needs_compiler
def test_the_linker_lets_out_what_tensorrt_asks_for_and_nothing_else(tmp_path):
    """Of other names as well; test_tensorrt_library.py reads the library itself, where it can be compiled."""
    ours = {"getCreators", "setLoggerFinder", "tosa_edge_tensorrt_major"}
    names = [*ours, "getPluginCreators", "initLibNvInferPlugins"]
    built = tmp_path / "names.so"
    script = f"-Wl,--version-script={TENSORRT / 'exports.map'}"
    command = ["cc", "-shared", "-fPIC", script, "-x", "c", "-", "-o", str(built)]
    subprocess.run(command, input="".join(f"int {n};" for n in names), text=True, check=True)
    said = subprocess.run(["nm", "-D", str(built)], capture_output=True, text=True, check=True).stdout
    given = {line.split()[-1] for line in said.splitlines() if " U " not in line and " w " not in line}
    assert given == ours


def test_a_manifest_tells_one_build_from_another(tmp_path):
    path = tmp_path / library.NAME
    path.write_bytes(b"built")
    assert library.identity(path) == (library.NAME, "1", hashlib.sha256(b"built").hexdigest())
