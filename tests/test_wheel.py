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

from tests.test_house import imported

ROOT = Path(__file__).parent.parent
FOLDERS = ("tosa_edge", "calibration", "export", "plugins")
# Programs for a clone: no robot renders, and none measures what skipping costs.
LEFT_OUT = [ROOT / "tosa_edge/training" / name for name in ("render", "study")]


def installed(path: Path) -> bool:
    return not any(path.is_relative_to(folder) for folder in LEFT_OUT)


@pytest.fixture
def setup_arguments(monkeypatch) -> dict[str, Any]:
    """What setup.py tells setuptools."""
    setuptools = pytest.importorskip("setuptools", reason="setuptools is not installed")
    found: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **given: found.update(given))
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    return found


def folder_of(package: str, setup_arguments: dict[str, Any]) -> Path:
    for mapped, folder in setup_arguments["package_dir"].items():
        if f"{package}.".startswith(f"{mapped}."):
            package = folder + package.removeprefix(mapped)
    return ROOT / package.replace(".", "/")


def test_all_that_is_no_module_is_named(setup_arguments):
    named = {
        path
        for package, patterns in setup_arguments["package_data"].items()
        for pattern in patterns
        for path in folder_of(package, setup_arguments).glob(pattern)
    }
    there = {path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()}
    assert {p for p in there if p.suffix not in (".py", ".pyc") and installed(p)} == {
        p for p in named if p.is_file()
    }


def test_every_package_is_named_but_the_programs_for_a_clone(setup_arguments):
    named = {folder_of(package, setup_arguments) for package in setup_arguments["packages"]}
    there = {path.parent for folder in FOLDERS for path in (ROOT / folder).rglob("__init__.py")}
    assert named == {folder for folder in there if installed(folder)}
    assert all(folder in there for folder in LEFT_OUT)


def test_no_module_of_a_wheel_imports_what_is_left_out():
    modules = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    names = {f"tosa_edge.training.{folder.name}" for folder in LEFT_OUT}
    found = {
        str(path.relative_to(ROOT))
        for path in modules
        for name in imported(path)
        if any(f"{name}.".startswith(f"{left_out}.") for left_out in names)
    }
    assert found
    assert not [name for name in found if installed(ROOT / name)]


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
        "tosa_edge/runtime/sinks/web/page.html",
        "tosa_edge/runtime/sinks/web/page.js",
        "tosa_edge/evaluation/held_out.txt",
    ):
        assert wanted in names
    assert not [
        name for name in names if name.startswith(("tosa_edge/training/render/", "tosa_edge/training/study/"))
    ]
    assert [name for name in names if name.endswith("ATTRIBUTION.md")]  # the bundled weights owe them
