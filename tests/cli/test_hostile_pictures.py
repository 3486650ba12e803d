"""Pictures of no size and of any, by command."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from tests import tiny
from tosa_edge.cli import app
from tosa_edge.pictures.size import size_of
from tosa_edge.runtime.sinks.opencv_writer import CODECS, count_frames


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny.save(tmp_path / "m.onnx", tiny.selective_info())
    return tmp_path


def run(*command: str, code: int) -> dict:
    done = CliRunner().invoke(app, ["run", "--engine", "m.onnx", *command, "--json"])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 3000)])
def test_the_smallest_pictures_are_recorded(size, folder, recorder):
    """AVI ended the process, WebM spoke of the disk."""
    cv2.imwrite("p.png", np.full((*size, 3), 90, np.uint8))
    for ending in CODECS:
        result = run("--source", "p.png", "--record", f"v{ending}", code=0)
        assert result["outputs"] == [f"v{ending}"]
        assert count_frames(folder / f"v{ending}") == 1


def test_a_single_pixel_goes_into_every_file():
    cv2.imwrite("p.png", np.full((1, 1, 3), 90, np.uint8))
    result = run("--source", "p.png", "--out", "o", "--depth-maps", "--png", "--ply", code=0)
    assert result["frames"] == 1
    assert np.load("o/depth/p.npy").shape == (1, 1)


ENCODED = [
    (".png", ()),
    (".jpg", ()),
    (".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
    (".bmp", ()),
    (".webp", (cv2.IMWRITE_WEBP_QUALITY, 50)),
    (".webp", (cv2.IMWRITE_WEBP_QUALITY, 101)),
    (".tiff", ()),
    (".ppm", ()),
    (".pgm", ()),
]


@pytest.mark.parametrize(("ending", "options"), ENCODED)
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (1080, 1921)])
def test_a_pictures_size_is_known_before_it_is_decoded(ending, options, size):
    picture = np.full((*size, 3), 90, np.uint8)
    data = cv2.imencode(ending, picture if ending != ".pgm" else picture[..., 0], options)[1].tobytes()
    assert size_of(data) == size[::-1]
    assert size_of(data[:2]) is None


def test_what_is_no_picture_has_no_size():
    for data in (
        b"",
        b"GIF89a" + bytes(50),
        b"#?RADIANCE\n\n-Y 9 +X 9\n",
        b"P6 # 1 2",
        b"\xff\xd8\xff",
        b"II*\0\xff",
    ):
        assert size_of(data) is None


def png(width: int, height: int) -> bytes:
    """Whole to look at: the checksums are right."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(99))), (b"IEND", b""))
    parts = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


HUGE = {
    "p.png": png(30000, 30000),
    "p.bmp": b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0),
    "p.ppm": b"P6 60000 60000 255\n",
    "p.webp": b"RIFF"
    + struct.pack("<I", 22)
    + b"WEBPVP8L"
    + struct.pack("<IBI", 10, 47, (1 << 28) - 1)
    + bytes(5),
    "p.tif": b"II*\0\x08\0\0\0\x02\0"
    + struct.pack("<HHIIHHII", 256, 4, 1, 60000, 257, 4, 1, 60000)
    + bytes(4),
    "p.jpg": b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03" + bytes(9) + b"\xff\xda\0\x02\xff\xd9",
}


def test_what_claims_to_be_huge_is_refused_before_memory_is_taken(folder):
    """All of it in one process, which then says how much memory it ever had."""
    commands = []
    for name, data in HUGE.items():
        (folder / name).write_bytes(data)
        commands.append(["run", "--engine", "m.onnx", "--source", name, "--no-files"])
    commands.append(["run", "--engine", "m.onnx", "--source", "test://99999x99999", "--no-files"])
    (folder / "sparse.png").write_bytes(HUGE["p.png"])
    os.truncate(folder / "sparse.png", 1 << 40)
    commands.append(["run", "--engine", "m.onnx", "--source", "sparse.png", "--no-files"])
    os.symlink("/dev/zero", folder / "zero.onnx")
    tiny.save(folder / "big.onnx", tiny.info(height=65534, width=65534))
    (folder / "wide.onnx").write_bytes(b"")
    os.truncate(folder / "wide.onnx", 1 << 40)
    commands += [["inspect", name] for name in ("big.onnx", "wide.onnx")]
    commands += [["bench", "m.onnx", "--threads", "100000"]]
    program = (
        "import json, sys; from typer.testing import CliRunner; from tosa_edge.cli import app\n"
        "for command in json.loads(sys.argv[1]):\n"
        "    done = CliRunner().invoke(app, [*command, '--json'])\n"
        "    print(done.exit_code, json.loads(done.stdout)['error'])\n"
        # Not getrusage's: that begins with what the process had that started this one.
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    child = [sys.executable, "-c", program, json.dumps(commands)]
    done = subprocess.run(child, cwd=folder, capture_output=True, text=True, timeout=120)
    *told, peak = done.stdout.splitlines()
    assert len(told) == len(commands), done.stderr
    assert all(line.startswith("2 ") for line in told), told
    for line in told[: len(HUGE) + 1]:
        assert "pixels, and more than 67,108,864 are refused" in line
    assert int(peak) < 1 << 20  # KB: half of the 2 GB that nothing may reach


def test_a_limit_can_be_raised(folder, monkeypatch):
    cv2.imwrite("p.png", np.zeros((60, 80, 3), np.uint8))
    monkeypatch.setenv("TOSA_EDGE_MAX_PIXELS", "4799")
    found = run("--source", "p.png", "--no-files", code=2)
    assert "p.png is 80x60: 4,800 pixels" in found["error"]
    assert found["remedy"].endswith("set TOSA_EDGE_MAX_PIXELS=4800.")
    monkeypatch.setenv("TOSA_EDGE_MAX_PIXELS", "4800")
    run("--source", "p.png", "--no-files", code=0)


def test_a_video_of_huge_pictures(folder, monkeypatch):
    from tests import media

    video = media.write_video(folder / "v.webm", frames=3)
    monkeypatch.setenv("TOSA_EDGE_MAX_PIXELS", "1176")  # the model's own pictures
    assert "the pictures of v.webm are" in run("--source", video.name, "--no-files", code=2)["error"]
