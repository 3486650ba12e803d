"""What an installation holds: every package and every file that one of them reads."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("tosa_edge", "calibration", "export", "plugins")


@pytest.fixture
def told(monkeypatch) -> dict[str, Any]:
    """What setup.py tells setuptools."""
    setuptools = pytest.importorskip("setuptools", reason="setuptools is not installed")
    found: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **given: found.update(given))
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    return found


def folder_of(package: str, told: dict[str, Any]) -> Path:
    return ROOT / told["package_dir"].get(package, package.replace(".", "/"))


def test_all_that_is_no_module_is_named(told):
    named = {
        path
        for package, patterns in told["package_data"].items()
        for pattern in patterns
        for path in folder_of(package, told).glob(pattern)
    }
    there = {path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()}
    assert {p for p in there if p.suffix not in (".py", ".pyc")} == {p for p in named if p.is_file()}


@pytest.mark.slow
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
        "tosa_edge/evaluation/held_out.txt",
    ):
        assert wanted in names
