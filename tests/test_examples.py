"""The examples, as far as a machine without a GPU goes. The PyCUDA one runs in tests/fake_gpu."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from tosa_edge.cli import app

EXAMPLES = Path(__file__).parent.parent / "examples"
UNIT = EXAMPLES / "tosa-edge.service"


def pycuda_app(*arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(EXAMPLES / "pycuda_app.py"), *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_the_pycuda_application_says_what_is_missing(tmp_path):
    import importlib.util

    import cv2
    import numpy as np

    cv2.imwrite(str(tmp_path / "p.png"), np.zeros((8, 8, 3), np.uint8))
    done = pycuda_app("some.engine", str(tmp_path / "p.png"), str(tmp_path / "d.npy"))
    assert len(done.stderr.strip().splitlines()) == 2, done.stderr
    if importlib.util.find_spec("pycuda") is None:
        assert done.returncode == 3
        assert done.stderr.startswith("PyCUDA is not installed\npip install 'tosa-edge[pycuda]'")
    assert not (tmp_path / "d.npy").exists()


@pytest.mark.parametrize("arguments", [(), ("e.engine", "no-such-picture.jpg", "d.npy")])
def test_the_pycuda_application_says_what_was_wrong(arguments):
    done = pycuda_app(*arguments)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 2


def lines(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)


def test_the_unit_runs_a_command_that_there_is():
    (command,) = lines("ExecStart")
    program, verb, *words = shlex.split(command)
    assert Path(program).name == "tosa-edge"
    run = get_command(app).commands[verb]
    run.make_context(verb, words)  # every option is known and has what it needs


def test_the_unit_restarts_stops_and_is_shut_in():
    assert lines("Restart") == ["on-failure"]
    assert lines("KillSignal") == ["SIGTERM"]
    assert lines("User") == ["tosa-edge"]
    assert lines("NoNewPrivileges") == ["yes"]
    assert lines("ProtectSystem") == ["strict"]
    assert lines("CapabilityBoundingSet") == [""]
    # Each of these would take the camera or the GPU away.
    for name in ("PrivateTmp", "PrivateDevices", "MemoryDenyWriteExecute"):
        assert not lines(name)


def test_systemd_takes_the_unit(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze here")
    program = tmp_path / "tosa-edge"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/tosa-edge/venv/bin/tosa-edge", str(program)))
    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if UNIT.name in line]) == (0, [])
