"""Paths, addresses and numbers that no verb expects end in words; what is printed is what is, by command."""

from __future__ import annotations

import inspect
import threading
import time
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests import media, tiny
from tests.nets import tiny_checkpoint
from tosa_edge.cli import app, export
from tosa_edge.errors import TosaEdgeError
from tosa_edge.pictures.size import size_of
from tosa_edge.pictures.truncation import is_whole
from tosa_edge.runtime.sources import http, open_source
from tosa_edge.verbs.export import _Asked

HARMLESS = {"force", "checkpoint", "out", "as_json", "context"}  # of export: they shape no graph


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny.save(tmp_path / "m.onnx", tiny.selective_info())
    return tmp_path


def refused(*command: str) -> str:
    done = CliRunner().invoke(app, list(command))
    assert done.exit_code == 2, done.output
    assert done.output.count("\n") == 2, done.output
    return done.output


@pytest.mark.parametrize("name", [r"x\[/b].jpg", "x[/].jpg", "[bold]x.jpg", "x:cat:.jpg"])
def test_paths_are_no_markup(name):
    assert name in refused("run", "--engine", "m.onnx", name)
    media.write_picture(Path(name.replace("/", "")))
    done = CliRunner().invoke(app, ["run", "--engine", "m.onnx", name.replace("/", "")])
    assert done.exit_code == 0, done.output
    assert name.replace("/", "") in done.output


@pytest.mark.parametrize("name", ["x\x1b[2J.jpg", "x\udcff.jpg", "x\u202egpj.jpg", "x\r.jpg"])
def test_no_name_moves_the_cursor(name):
    assert ascii(name)[1:-1] in refused("run", "--engine", "m.onnx", name)
    media.write_picture(Path("p.png")).rename(name)
    done = CliRunner().invoke(app, ["run", "--engine", "m.onnx", name])
    assert done.exit_code == 0, done.output
    assert ascii(name)[1:-1] in done.output
    assert done.output.replace("\n", "").isprintable()


def test_what_is_written_is_named_as_it_is(folder):
    from tosa_edge.console import console

    with console.capture() as shown, console.status("tracing [/b].onnx"):
        console.print("wrote [bold]x[/]")
    assert "wrote [bold]x[/]" in shown.get()


@pytest.mark.parametrize("spec", ["http://[::1/x.jpg", "file://[/x.jpg", "csi://[0", "test://[", "v4l2://["])
def test_addresses_that_are_none(spec):
    assert "is no address" in refused("run", "--engine", "m.onnx", spec)


@pytest.mark.parametrize("size", ["²x²", "9" * 5000 + "x14", "0x14", "14x", "14 x14"])
@pytest.mark.parametrize("flag", ["--size", "--smaller"])
def test_sizes_that_are_none(folder, flag, size):
    path = tiny_checkpoint(folder)
    assert "not HEIGHTxWIDTH" in refused("export", str(path), "-o", "g", flag, size)


def test_every_option_of_export_shapes_a_graph_or_is_harmless():
    shaping = {field.name for field in fields(_Asked)}
    assert set(inspect.signature(export.main).parameters) == shaping | HARMLESS
    assert not shaping & HARMLESS


def test_a_finished_graph_takes_no_attention():
    assert "--attention" in refused("export", "tosa_depth_s:g3", "-o", "g3.onnx", "--attention")
    assert not Path("g3.onnx").exists()


@pytest.mark.parametrize("list_", ["ffconcat version 1.0\nfile v.avi\n", "#EXTM3U\n#EXTINF:1,\nv.avi\n"])
def test_a_list_of_other_files_is_no_video(folder, list_):
    media.write_video(folder / "v.avi", codec="MJPG")
    Path("cc.mp4").write_text(list_)
    assert "not a video" in refused("run", "--engine", "m.onnx", "cc.mp4")


@pytest.mark.parametrize("ending", ["ts", "mpg", "wmv", "mov", "flv"])
def test_other_containers_are_still_read(folder, ending):
    import cv2

    path = folder / f"v.{ending}"
    codec = {"mov": "mp4v", "flv": "FLV1", "wmv": "WMV2"}.get(ending, "mpg2")
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 25, (64, 48))
    if not writer.isOpened():
        pytest.skip(f"this OpenCV writes no {ending}")
    for level in range(0, 250, 10):
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()
    assert len(list(open_source(str(path)))) >= 20


def spent(work) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def test_no_container_is_followed_for_long(folder):
    data = b"\xff\xd8" + b"\xff" * 80_000
    assert spent(lambda: size_of(data)) < 5  # 38 s when every byte was a look through all
    for name, head, part in (
        ("a.mkv", b"\x1aE\xdf\xa3\x80", b"\xec\x80"),
        ("a.mp4", b"\0\0\0\x08ftyp", b"\0\0\0\x08free"),
        ("a.jpg", b"\xff\xd8", b"\xff"),
    ):
        Path(name).write_bytes(head + part * 4_000_000)
        found = []
        assert spent(lambda name=name, found=found: found.append(is_whole(Path(name)))) < 5
        assert found == [True]


class Trickle(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b"x")
            time.sleep(0.05)

    def log_message(self, *about):
        """Quiet."""


def test_a_server_that_sends_for_ever_is_left(monkeypatch):
    monkeypatch.setattr(http, "_PATIENCE", 0.2)
    server = HTTPServer(("127.0.0.1", 0), Trickle)
    threading.Thread(target=server.handle_request, daemon=True).start()
    with pytest.raises(TosaEdgeError, match="not here after"):
        open_source(f"http://127.0.0.1:{server.server_port}/p.jpg")
    monkeypatch.setattr(http, "_PATIENCE", 60)
    monkeypatch.setenv("TOSA_EDGE_MAX_DOWNLOAD", "3")
    threading.Thread(target=server.handle_request, daemon=True).start()
    with pytest.raises(TosaEdgeError, match="TOSA_EDGE_MAX_DOWNLOAD"):
        open_source(f"http://127.0.0.1:{server.server_port}/p.jpg")
    server.server_close()
