"""The examples, as far as a machine without a GPU goes. The PyCUDA one runs in tests/fake_gpu."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

import tosa_edge
from tests import media
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


def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


def test_depth_in_a_loop_says_a_side_of_every_frame(tmp_path):
    done = run("in_a_loop.py", media.write_video(tmp_path / "v.webm", frames=3))
    assert done.returncode == 0, done.stderr
    assert [line.split()[-1] in ("left", "middle", "right") for line in done.stdout.splitlines()] == [
        True
    ] * 3


def test_the_service_sends_depth_of_every_frame(tmp_path):
    video = media.write_video(tmp_path / "v.webm", frames=3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard:
        heard.bind(("127.0.0.1", 0))
        heard.settimeout(60)
        to = f"127.0.0.1:{heard.getsockname()[1]}"
        done = run("depth_service.py", video, to, "--metres", "20,20=2")
        assert done.returncode == 0, done.stderr
        messages = [json.loads(heard.recv(4096)) for _ in range(3)]
    for message in messages:
        assert set(message) == {"time_s", "age_ms", "metres"}
        assert len(message["metres"]) == 9
        assert all(0 < metres <= 100 for metres in message["metres"])


@pytest.mark.parametrize("name", ["in_a_loop.py", "depth_service.py", "make_moving_picture.py"])
def test_an_example_says_what_was_wrong_in_two_lines_at_most(name, tmp_path):
    done = run(name, tmp_path / "none.webm", "127.0.0.1:9" if name == "depth_service.py" else "out.webp")
    assert done.returncode
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2


def test_a_recording_becomes_a_moving_picture(tmp_path):
    import cv2

    video = media.write_video(tmp_path / "v.webm", frames=6)
    done = run("make_moving_picture.py", video, tmp_path / "moving.webp")
    assert done.returncode == 0, done.stderr
    found, moving = cv2.imreadanimation(str(tmp_path / "moving.webp"))
    assert found
    assert (len(moving.frames), moving.frames[0].shape[1]) == (3, 960)


def test_examples_import_what_is_public_and_nothing_else():
    for path in EXAMPLES.glob("*.py"):
        for module, names in re.findall(r"^\s*from (tosa_edge[\w.]*) import (.+)$", path.read_text(), re.M):
            assert module == "tosa_edge", f"{path.name}: {module}"
            assert {name.strip() for name in names.split(",")} <= set(tosa_edge.__all__), path.name


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
