"""Every call of the driver, as it stands in the source, against the signatures of the cuda-python at hand."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from tosa_edge.cuda import compile as kernels
from tosa_edge.cuda import driver

FOLDER = Path(driver.__file__).parent


def calls(path: Path, function: str = "call"):
    """(name, how many arguments) of each `call("cuName", ...)`; of `give_back` the function it will call."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        named = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        strings = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if named == function and strings:
            starred = any(isinstance(a, ast.Starred) for a in node.args)
            yield strings[0], None if starred else len(node.args) - 1
        elif named == "give_back" and strings:
            yield strings[0], 1


FOUND = sorted(
    {one for path in FOLDER.glob("*.py") for one in calls(path) if one[0].startswith("cu")}, key=str
)


def test_calls_were_found():
    assert len(FOUND) > 25
    assert ("cuGraphExecDestroy", 1) in FOUND
    assert ("cuLaunchKernel", None) in FOUND


@pytest.mark.parametrize(("name", "arguments"), FOUND, ids=str)
def test_the_bindings_have_it(name, arguments):
    pytest.importorskip("cuda", reason="cuda-python is not installed")
    signature = inspect.signature(getattr(driver.bindings(), name))
    assert len(signature.parameters) == (11 if arguments is None else arguments)  # of a launch


def test_nvrtc_has_what_compiling_calls():
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-python is not installed")
    for name in ("CreateProgram", "CompileProgram", "GetPTX", "GetPTXSize", "GetCUBIN", "GetCUBINSize"):
        assert callable(getattr(nvrtc, f"nvrtc{name}"))
    assert kernels.SOURCE.is_file()
