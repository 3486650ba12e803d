"""What is sent to Rerun, read back with Rerun's own reader; and a real viewer of it, without a screen."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np
import pytest

from tests import tiny
from tests.runtime.sinks.results import result
from tosa_edge.errors import MachineLacks
from tosa_edge.runtime.drawn_distances import DRAWN_DEPTH_RATIO, drawn_distances
from tosa_edge.runtime.intrinsics import Intrinsics
from tosa_edge.runtime.sinks.rerun import RerunSink, required
from tosa_edge.runtime.sinks.wrappers import NewestOnly

rerun = pytest.importorskip("rerun", reason="rerun-sdk is not installed: pip install 'tosa-edge[viewer]'")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Rerun's viewer keeps things in the home folder, and reports its use from its second start on."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


def saved(path, info, frames: int = 3, **more):
    """Rows by entity and column, in the order of frames."""
    from rerun.chunk import RrdReader

    sink = RerunSink(info, save=path, **more)
    for index in range(frames):
        sink.write(result(index, info))
    sink.seal()
    assert sink.commit() == path
    found: dict[str, dict[str, list]] = {}
    for chunk in RrdReader(str(path)).stream():
        batch = chunk.to_record_batch()
        entity = found.setdefault(chunk.entity_path, {})
        for name in batch.schema.names:
            if ":" in name or name == "frame":  # not the clocks, which Python cannot hold exactly
                entity.setdefault(name, []).extend(batch.column(name).to_pylist())
    return found


def test_picture_depth_camera_and_numbers_are_there(tmp_path):
    info = tiny.selective_info()
    found = saved(tmp_path / "o.rrd", info)
    wanted = {"/camera", "/camera/picture", "/camera/depth", "/kept", "/notes"}
    wanted |= {f"/numbers/{name}" for name in ("fps", "age_ms", "prepare", "infer", "restore")}
    assert wanted <= set(found)
    assert sorted(found["/camera/depth"]["frame"]) == [0, 1, 2]

    order = np.argsort(found["/camera/picture"]["frame"])
    blob = bytes(found["/camera/picture"]["EncodedImage:blob"][order[2]][0])
    picture = cv2.imdecode(np.frombuffer(blob, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    assert np.abs(picture - result(2).frame.picture).mean() < 6

    assert sorted(value[0] for value in found["/numbers/infer"]["Scalars:scalars"]) == [10, 11, 12]
    assert "no unit" in found["/notes"]["TextDocument:text"][0][0]
    assert "60 degrees" in found["/notes"]["TextDocument:text"][0][0]


def test_metres_are_millimetres_with_their_meter_and_the_camera_is_the_given_one(tmp_path):
    info = tiny.selective_info(output="metric_depth")
    camera = Intrinsics(90, 60, 100, 110, 44, 29)
    found = saved(tmp_path / "o.rrd", info, frames=1, intrinsics=camera.at)
    depth = found["/camera/depth"]
    levels = np.frombuffer(bytes(depth["DepthImage:buffer"][0][0]), np.uint16).reshape(60, 90)
    assert depth["DepthImage:meter"][0] == [1000]
    np.testing.assert_allclose(levels / 1000, result(0).prediction.depth, atol=0.00051)
    matrix = np.array(found["/camera"]["Pinhole:image_from_camera"][0][0]).reshape(3, 3).T
    np.testing.assert_allclose(matrix, [[100, 0, 44], [0, 110, 29], [0, 0, 1]])
    assert found["/camera"]["Pinhole:resolution"][0] == [[90, 60]]
    assert found["/notes"]["TextDocument:text"][0] == ["Depth is in metres."]


def test_a_dense_model_keeps_no_tokens(tmp_path):
    assert "/kept" not in saved(tmp_path / "o.rrd", tiny.info(), frames=1)


def test_relative_depth_is_drawn_in_order_between_its_ends():
    relative = np.linspace(-2, 3, 50, dtype=np.float32).reshape(5, 10)
    distances = drawn_distances(relative, near=2.5, far=-1.5)
    assert distances.dtype == np.float32
    assert (np.diff(distances.ravel()) <= 0).all()
    np.testing.assert_allclose([distances.max(), distances.min()], [DRAWN_DEPTH_RATIO, 1], rtol=1e-6)
    assert np.isfinite(drawn_distances(relative, 1, 1)).all()


def test_a_run_that_fails_leaves_no_file(tmp_path):
    sink = RerunSink(tiny.info(), save=tmp_path / "o" / "o.rrd")
    sink.write(result(0, tiny.info()))
    sink.abort()
    sink.abort()
    assert not (tmp_path / "o").exists()


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(MachineLacks) as error:
        required()
    assert "tosa-edge[viewer]" in error.value.remedy


def test_a_viewer_is_started_on_loopback_gets_frames_and_ends_with_the_run(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    told: list[str] = []
    sink = RerunSink(tiny.selective_info())
    hand_off = NewestOnly(sink, told.append)
    page = urlsplit(sink.url)
    data = urlsplit(parse_qs(page.query)["url"][0].removeprefix("rerun+"))
    for at in (page, data):
        assert at.hostname == "127.0.0.1"
        socket.create_connection((at.hostname, at.port), 5).close()
        if sys.platform == "linux":
            assert listening_at(at.port) == {"0100007F"}
    for index in range(20):
        hand_off.write(result(index))
    hand_off.seal()
    assert told == []
    for at in (page, data):
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((at.hostname, at.port), 5)


def listening_at(port: int) -> set[str]:
    """The addresses at which this machine listens on a port, as the kernel writes them."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, _, number = local.partition(":")
            if state == "0A" and int(number, 16) == port:
                found.add(address)
    return found
