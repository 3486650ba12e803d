"""Lines the project has drawn for itself."""

import ast
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DEVICE = [
    p
    for folder in ("tosa_edge", "plugins", "calibration")
    for p in (ROOT / folder).rglob("*.py")
    if not {"nn", "training"} & set(p.relative_to(ROOT).parts)
]


def imported(path):
    """The modules a file names, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", DEVICE, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_on_the_device_imports_torch(path):
    roots = {name.split(".")[0] for name in imported(path)}
    assert "torch" not in roots
    if path.name not in ("export.py", "distill.py", "train.py"):  # the verbs that hand over to torch
        assert not any(name.startswith(("tosa_edge.nn", "tosa_edge.training")) for name in imported(path))


def test_the_method_is_one_file_of_under_200_lines():
    assert len((ROOT / "tosa_edge/nn/tosa.py").read_text().splitlines()) < 200


def test_help_loads_nothing_heavy():
    heavy = {"torch", "onnx", "onnxruntime", "cv2", "numpy"}
    code = f"import sys, tosa_edge.cli; print(sorted(set(sys.modules) & {heavy}))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_a_wheel_holds_the_mapped_packages_and_the_assets(tmp_path):
    # From a copy: setuptools leaves a build folder in the tree, whose old files get into the next wheel.
    leave = shutil.ignore_patterns(".*", "build", "demo", "run", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, tmp_path / "tree", ignore=leave)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--wheel-dir",
            str(tmp_path),
            str(tmp_path / "tree"),
        ],
        check=True,
        capture_output=True,
    )
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    for wanted in (
        "tosa_edge/plugins/token_gather/__init__.py",
        "tosa_edge/export/trace.py",
        "tosa_edge/calibration/__init__.py",
        "tosa_edge/assets/clip.webm",
        "tosa_edge/assets/tosa_depth_s/weights.safetensors",
        "tosa_edge/assets/tosa_depth_s/g1.onnx",
        "tosa_edge/training/recipes/tosa_depth_s.toml",
        "tosa_edge/training/study/dense_only.toml",
        "tosa_edge/runtime/sinks/web/page.html",
        "tosa_edge/runtime/sinks/web/page.js",
        "tosa_edge/validate/held_out.txt",
    ):
        assert wanted in names
