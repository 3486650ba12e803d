"""Every source gives its frames in order; damaged ones say so."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests import media, tiny
from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime.sources import open_source
from tosa_edge.runtime.sources.address import natural


def test_a_video_gives_all_frames_in_order(tmp_path):
    source = open_source(str(media.write_video(tmp_path / "v.webm")))
    frames = list(source)
    source.close()
    assert (len(frames), source.frame_count, source.fps) == (30, 30, 10)
    assert [f.index for f in frames] == list(range(30))
    np.testing.assert_allclose([f.picture.mean() for f in frames], 20 + 6 * np.arange(30), atol=4)
    assert np.all(np.diff([f.timestamp for f in frames]) > 0)


def test_a_video_of_a_server_that_sends_no_parts_of_files(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "v.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (640, 480))
    noise = np.random.default_rng(0)
    for _ in range(20):  # more than FFmpeg reads before it looks for the index at the end
        writer.write(noise.integers(0, 256, (480, 640, 3), np.uint8))
    writer.release()
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        source = open_source(f"http://127.0.0.1:{server.server_port}/v.mp4")
        with pytest.raises(TosaEdgeError, match="sends no parts of files") as error:
            list(source)
        source.close()
        server.shutdown()
    assert "Download it first" in error.value.remedy


def test_colours_are_rgb(tmp_path):
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 220
    cv2.imwrite(str(tmp_path / "red.png"), red[..., ::-1])
    writer = cv2.VideoWriter(str(tmp_path / "red.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    writer.write(red[..., ::-1])
    writer.release()
    for name in ("red.png", "red.avi"):
        (frame,) = open_source(str(tmp_path / name))
        assert frame.picture[..., 0].mean() > 180
        assert frame.picture[..., 1:].mean() < 40


def test_a_folder_is_read_in_natural_order(tmp_path):
    for number in (10, 9, 1):
        media.write_picture(tmp_path / f"f{number}.png", seed=number)
    (tmp_path / "notes.txt").write_text("not a picture")
    source = open_source(str(tmp_path))
    assert [f.name for f in source] == ["f1", "f9", "f10"]
    assert source.frame_count == 3


def test_natural_order_compares_mixed_names():
    names = ["b", "2", "a10", "a9", "10"]
    assert [p.name for p in sorted(map(Path, names), key=natural)] == ["2", "10", "a9", "a10", "b"]


def test_a_picture_is_one_frame(tmp_path):
    (frame,) = open_source(str(media.write_picture(tmp_path / "room.png")))
    np.testing.assert_array_equal(frame.picture, tiny.picture(60, 90))
    assert frame.name == "room"


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp"])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_picture_cut_short_is_noticed(tmp_path, suffix, share):
    path = media.cut(media.write_picture(tmp_path / f"p.{suffix}", 200, 300), share)
    with pytest.raises(TosaEdgeError, match="cut short or damaged"):
        list(open_source(str(path)))


def test_a_thumbnails_end_is_not_the_pictures_end(tmp_path):
    path = media.write_picture(tmp_path / "p.jpg")
    data = path.read_bytes()
    thumbnail = b"\xff\xe1\x00\x08\xff\xd8\xff\xd9ab"
    path.write_bytes(data[:2] + thumbnail + data[2:])
    assert len(list(open_source(str(path)))) == 1
    with pytest.raises(TosaEdgeError, match="cut short"):
        list(open_source(str(media.cut(path))))


def test_a_flipped_byte_in_a_png_is_noticed(tmp_path):
    path = media.write_picture(tmp_path / "p.png")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(TosaEdgeError, match="damaged"):
        list(open_source(str(path)))


@pytest.mark.parametrize(
    ("suffix", "codec"), [("webm", "VP80"), ("avi", "MJPG"), ("mp4", "mp4v"), ("mkv", "VP80")]
)
@pytest.mark.parametrize("damage", [media.cut, media.zeroed])
def test_a_damaged_video_is_noticed(tmp_path, suffix, codec, damage):
    path = media.write_video(tmp_path / f"v.{suffix}", codec=codec)
    assert len(list(open_source(str(path)))) == 30
    with pytest.raises(TosaEdgeError) as error:
        list(open_source(str(damage(path))))
    assert str(path) in error.value.what
    assert "again" in error.value.remedy


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("empty.mp4", b"", "is empty"),
        ("empty.jpg", b"", "is empty"),
        ("text.mp4", b"hello " * 100, "not a video"),
        ("text.png", b"hello " * 100, "not a picture"),
        ("noise.jpg", b"\xff\xd8\xff" + bytes(range(256)), "damaged"),
        ("noise.webm", b"\x1aE\xdf\xa3" + bytes(range(256)), "damaged"),
    ],
)
def test_files_that_are_no_media_are_refused(tmp_path, name, content, what):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TosaEdgeError, match=what):
        list(open_source(str(tmp_path / name)))


def test_missing_and_empty_places(tmp_path):
    with pytest.raises(TosaEdgeError, match="there is no source"):
        open_source(str(tmp_path / "nothing.mp4"))
    with pytest.raises(TosaEdgeError, match="holds no pictures"):
        open_source(str(tmp_path))


def test_the_bundled_clip_is_whole():
    from tosa_edge.find_model import ASSETS

    source = open_source(str(ASSETS / "clip.webm"))
    assert len(list(source)) == source.frame_count == 100
    assert (ASSETS / "clip.webm").stat().st_size < 3_000_000
