"""What a user writes for a source."""

from __future__ import annotations

import pytest

from tests import media
from tests.runtime.rtsp import needs_gstreamer
from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.runtime.sources import open_source
from tosa_edge.runtime.sources.csi import csi_pipeline


@pytest.mark.parametrize(
    "spec",
    [
        "v4l2://cam", "v4l2://0?size=3", "v4l2://0?size=0x3", "v4l2://0?fps=x", "v4l2://0?flip=1", "csi://x",
        "csi://0?flip=-1", "test://9x9", "test://?frames=", "test://big", "gst:", "gst:'a", "http://cam",
        "x" * 5000,
    ],
)  # fmt: skip
def test_addresses_that_are_wrong(spec):
    with pytest.raises(TosaEdgeError) as error:
        open_source(spec)
    assert error.value.exit_code == 2
    assert "\n" not in error.value.what + error.value.remedy


def test_a_file_goes_before_a_camera(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    media.write_video(tmp_path / "a.avi", 3, codec="MJPG").rename("0")
    assert len(list(open_source("0"))) == 3


def test_the_pipeline_of_a_csi_camera():
    assert " ".join(csi_pipeline("csi://1?size=1920x1080&fps=59.94&flip=2")) == (
        "nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM),width=1920,height=1080,framerate=59940/1000"
        " ! nvvidconv flip-method=2 ! video/x-raw,format=BGRx"
    )
    assert "width=1280,height=720,framerate=30/1" in " ".join(csi_pipeline("csi://0"))


@needs_gstreamer
def test_a_csi_camera_where_there_is_no_jetson():
    with pytest.raises(MachineLacks, match="JetPack"):
        open_source("csi://0")
