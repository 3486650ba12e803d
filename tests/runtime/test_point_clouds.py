"""Pinhole geometry, point clouds as other programs read them, and metres out of known distances."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests import media, tiny
from tosa_edge import DepthModel
from tosa_edge.errors import TosaEdgeError
from tosa_edge.runtime import pipeline
from tosa_edge.runtime.intrinsics import Intrinsics, read_intrinsics
from tosa_edge.runtime.metric import KnownDistance, MetricModel, fit_scale, parse_known
from tosa_edge.runtime.sinks.files import PointCloudsSink, ply
from tosa_edge.runtime.sources import open_source


def test_a_point_projects_to_the_pixel_it_came_from():
    camera = Intrinsics(40, 30, 33.0, 31.0, 18.5, 14.0)
    depth = np.random.default_rng(0).uniform(0.5, 8, (30, 40)).astype(np.float32)
    x, y, z = np.moveaxis(camera.points(depth), -1, 0)
    rows, columns = np.indices(depth.shape)
    np.testing.assert_array_equal(z, depth)
    np.testing.assert_allclose(camera.fx * x / z + camera.cx, columns, atol=1e-4)
    np.testing.assert_allclose(camera.fy * y / z + camera.cy, rows, atol=1e-4)


@given(st.integers(2, 2000), st.integers(2, 2000), st.floats(1, 170))
def test_a_field_of_view_reaches_from_edge_to_edge(width, height, degrees):
    camera = Intrinsics.from_fov(width, height, degrees)
    half = np.degrees(np.arctan((width - 1 - camera.cx + 0.5) / camera.fx))
    assert half == pytest.approx(degrees / 2)
    assert camera.at(width * 2, height * 2).at(width, height).cx == pytest.approx(camera.cx)


def test_other_sizes_see_the_same_way_and_other_shapes_are_refused():
    camera = Intrinsics(640, 480, 600, 600, 310, 250)
    small = camera.at(320, 240)
    assert (small.cx + 0.5 - 50) / small.fx == pytest.approx((310 + 0.5 - 100) / 600)
    with pytest.raises(TosaEdgeError, match="640x480 pictures, these are 640x360"):
        camera.at(640, 360)


@pytest.mark.parametrize(
    "text", ['{"width": 4, "height": 3, "fx": 2, "fy": 2, "cx": 1, "cy": 1}',
             '{"width": 4, "height": 3, "k": [2, 0, 1, 0, 2, 1, 0, 0, 1]}'],
)  # fmt: skip
def test_a_file_of_either_form_is_read(tmp_path, text):
    (tmp_path / "c.json").write_text(text)
    assert read_intrinsics(tmp_path / "c.json") == Intrinsics(4, 3, 2, 2, 1, 1)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"width": 4, "height": 3, "fx": 0, "fy": 2, "cx": 1, "cy": 1}', '{"k": [1]}']
)
def test_a_bad_file_is_two_lines(tmp_path, text):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(TosaEdgeError) as told:
        read_intrinsics(tmp_path / "c.json")
    assert "fx" in told.value.remedy


def test_a_cloud_holds_the_finite_points_and_their_colours():
    points = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    points[0, 1, 2] = np.nan
    colours = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    head, _, body = ply(points, colours).partition(b"end_header\n")
    assert b"element vertex 3\n" in head
    vertices = np.frombuffer(body, dtype=[("xyz", "<f4", 3), ("rgb", "u1", 3)])
    np.testing.assert_array_equal(vertices["xyz"], points.reshape(-1, 3)[[0, 2, 3]])
    np.testing.assert_array_equal(vertices["rgb"], colours.reshape(-1, 3)[[0, 2, 3]])


def test_a_run_writes_a_cloud_for_each_frame(tmp_path):
    model = DepthModel.load(str(tiny.save(tmp_path / "m.onnx", tiny.selective_info())), threads=1)
    clip = media.write_video(tmp_path / "v.webm", frames=3)
    sink = PointCloudsSink(tmp_path / "clouds", model.info)
    pipeline.run(open_source(str(clip)), model, [sink])
    assert [p.name for p in sorted((tmp_path / "clouds").iterdir())] == [f"00000{i}.ply" for i in range(3)]


@given(st.floats(0.05, 5), st.floats(-0.2, 0.5))
def test_two_known_distances_give_scale_and_shift(a, b):
    relative = np.linspace(1, 4, 64 * 48, dtype=np.float64).reshape(48, 64)
    true = 1 / np.maximum(a * relative + b, 1e-9)
    known = [
        KnownDistance(x, y, float(np.median(true[y - 2 : y + 3, x - 2 : x + 3])))
        for x, y in ((5, 5), (50, 40))
    ]
    assume(a + b > 0.05)
    scale = fit_scale(relative, known)
    np.testing.assert_allclose(scale.metres(relative), np.minimum(true, 100), rtol=2e-3)


def test_one_known_distance_gives_a_size_to_the_shape_that_is_drawn():
    relative = np.linspace(-2, 1, 64 * 48).reshape(48, 64)  # negative too: the shift is anybody's
    scale = fit_scale(relative, [KnownDistance(60, 45, 2.0)])
    metres = scale.metres(relative)
    assert metres[45, 60] == pytest.approx(2.0, rel=1e-2)
    near, far = np.percentile(metres, (2, 98))
    assert far / near == pytest.approx(5.0, rel=1e-2)


@pytest.mark.parametrize(
    "known",
    [
        [KnownDistance(5, 5, 9.0), KnownDistance(35, 25, 1.0)],
        [KnownDistance(5, 5, 1.0), KnownDistance(5, 5, 2.0)],
        [KnownDistance(90, 5, 1.0)],
    ],
)
def test_distances_that_cannot_be_are_refused(known):
    relative = np.repeat(np.linspace(3, 1, 40)[None], 30, axis=0)  # nearer on the left
    with pytest.raises(TosaEdgeError):
        fit_scale(relative, known)


@pytest.mark.parametrize("text", ["", "1,2", "1,2=0", "1,2=-1", "a,b=1", "1,2=1e9", "1,2=nan"])
def test_a_known_distance_is_written_in_one_way(text):
    with pytest.raises(TosaEdgeError, match="known distance"):
        parse_known(text)
    assert parse_known("320,240=1.85m") == KnownDistance(320, 240, 1.85)


def test_the_scale_of_the_first_frame_is_kept(tmp_path):
    inner = DepthModel.load(str(tiny.save(tmp_path / "m.onnx", tiny.selective_info())), threads=1)
    first = np.repeat(np.linspace(40, 200, 90).astype(np.uint8)[None, :, None], 60, axis=0).repeat(3, axis=2)
    model = MetricModel(inner, [KnownDistance(10, 30, 4.0), KnownDistance(80, 30, 1.5)])
    assert model.info.output == "metric_depth"
    model.warm_up(np.zeros_like(first))  # in which there is nothing to measure
    shown = model.predict_next(first).depth
    assert (shown[30, 10], shown[30, 80]) == (pytest.approx(4.0, rel=1e-2), pytest.approx(1.5, rel=1e-2))
    other = np.ascontiguousarray(first[:, ::-1])
    np.testing.assert_allclose(model.predict_next(other).depth, shown[:, ::-1], rtol=1e-2)
