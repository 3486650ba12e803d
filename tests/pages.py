"""Pages as their readers have them: commands copied out of the text, and run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from tosa_edge.cli import app

ROOT = Path(__file__).parent.parent


def blocks(page: Path, language: str) -> list[str]:
    """What stands between fences that name the language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    """The lines of the fenced ones, each whole."""
    return [line for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]


def run_here(line: str) -> None:
    """A command of ours, in this process and folder: what a test has replaced stays replaced."""
    program, *arguments = shlex.split(line)
    assert program == "tosa-edge"
    ended = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert ended.exit_code == 0, f"{line}\n{ended.output}"


def run_in_shell(line: str, folder: Path) -> str:
    """What it says; in the reader's shell, with these very sources as `tosa-edge` on its PATH."""
    programs = folder.parent / "bin"
    programs.mkdir(exist_ok=True)
    ours = programs / "tosa-edge"
    ours.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tosa_edge "$@"\n')
    ours.chmod(0o755)
    there = {
        **os.environ,
        "PATH": os.pathsep.join((str(programs), str(Path(sys.executable).parent), os.environ["PATH"])),
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(folder.parent / "cache"),
    }
    done = subprocess.run(
        ["bash", "-e", "-c", line],
        cwd=folder,
        env=there,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr
