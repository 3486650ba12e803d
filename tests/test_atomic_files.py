"""What is left of processes that were killed in the middle of a file."""

import os
import subprocess
import sys

import pytest

from tests.media import left_behind
from tosa_edge.atomic_files import AtomicFile, atomic_path, write_bytes
from tosa_edge.errors import TosaEdgeError


@pytest.fixture
def dead():
    """The number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_the_next_one_takes_away_what_killed_ones_left(tmp_path, dead):
    (tmp_path / f".m.part-{dead}").mkdir()
    (tmp_path / f".m.part-{dead}" / "weights").write_bytes(b"half")
    (tmp_path / f".m.part-{dead}.onnx").write_bytes(b"half")
    with atomic_path(tmp_path / "m", folder=True) as folder:
        assert left_behind(tmp_path) == sorted([folder.name, f".m.part-{dead}.onnx"])
    write_bytes(tmp_path / "m.onnx", b"whole")
    assert left_behind(tmp_path) == ["m", "m.onnx"]


def test_what_is_being_written_and_what_is_of_others_stays(tmp_path, dead):
    running = f".m.part-{os.getppid()}.onnx"
    names = (running, f".m.part-{dead}-raw.onnx", f".n.part-{dead}.onnx", ".m.part-x.onnx")
    for name in names:
        (tmp_path / name).write_bytes(b"theirs")
    ours = AtomicFile(tmp_path / "m.onnx")
    ours.path.write_bytes(b"first")
    another = AtomicFile(tmp_path / "m.onnx")
    assert ours.path.read_bytes() == b"first"
    ours.abort()
    another.abort()
    assert left_behind(tmp_path) == sorted(names)


def test_a_folder_goes_only_for_one_that_replaces_it(tmp_path):
    write_bytes(tmp_path / "m/weights", b"whole")
    late = AtomicFile(tmp_path / "m", folder=True)
    late.path.rmdir()  # by somebody who took its writer for dead
    with pytest.raises(TosaEdgeError, match="no such file"):
        late.commit()
    assert (tmp_path / "m/weights").read_bytes() == b"whole"


def test_a_process_of_the_same_number_was_killed(tmp_path):
    """As in a container, where each run is process 1."""
    (tmp_path / f".m.part-{os.getpid()}").mkdir()
    with atomic_path(tmp_path / "m", folder=True):
        pass
    assert left_behind(tmp_path) == ["m"]
