import numpy as np
import pytest

from tests.training.render.conftest import PIECES
from tosa_edge.errors import MachineLacks
from tosa_edge.training.render.__main__ import main
from tosa_edge.training.render.catalogue import attribution, load_furniture
from tosa_edge.training.render.obj import parse_obj


def test_models_have_their_true_size_and_stand_on_the_floor(made_assets):
    furniture = load_furniture(made_assets)
    assert {model.name for model in furniture.models} == set(PIECES) - {"Truck"}  # no cars in rooms
    for model in furniture.models:
        mesh = furniture.mesh(model)
        np.testing.assert_allclose(mesh.size, np.array(PIECES[model.name][1:]) / 100, rtol=1e-5)
        np.testing.assert_allclose([*mesh.low[:2] + mesh.high[:2], mesh.low[2]], 0, atol=1e-5)
        assert mesh.materials[0].colour == pytest.approx((0.8, 0.3, 0.2))


def test_front_of_a_model_faces_minus_y(made_assets):
    furniture = load_furniture(made_assets)
    mesh = furniture.mesh(furniture.models[0])
    front = mesh.normals[mesh.corners[..., 1].max(axis=1) <= mesh.low[1] + 1e-5]
    np.testing.assert_allclose(front, np.broadcast_to([0, -1, 0], front.shape), atol=1e-3)


def test_cache_serves_without_the_bundle(made_assets):
    first = load_furniture(made_assets)
    (made_assets / "Scopia.sh3f").unlink()
    again = load_furniture(made_assets)
    assert again.models == first.models
    np.testing.assert_array_equal(again.mesh(again.models[0]).corners, first.mesh(first.models[0]).corners)


def test_twin_triangles_are_dropped_and_heavy_models_refused():
    text = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\nf 3 2 1\nf 1 1 2\n"
    parsed = parse_obj(text, most_triangles=10)
    assert parsed is not None
    assert len(parsed.corners) == 1  # the twin and the line without an area are gone
    assert parse_obj(text, most_triangles=2) is None
    assert parse_obj("v 0 0 0\n", most_triangles=2) is None


def test_attribution_names_each_cc_by_author(made_assets):
    lines = list(attribution(load_furniture(made_assets).models))
    assert "Author of Sofa (Scopia, CC BY 3.0): Sofa" in lines
    assert len(lines) == len(PIECES) - 1


@pytest.mark.parametrize(
    ("gone", "remedy"),
    [
        ("Scopia.sh3f", "apt-get install sweethome3d-furniture"),
        ("miniworld", "pip install --no-deps"),
    ],
)
def test_missing_assets_say_how_to_get_them(made_assets, capsys, gone, remedy):
    (made_assets / gone).rename(made_assets / "moved away")
    status = main(["--out", str(made_assets / "out"), "--assets", str(made_assets), "--frames", "1"])
    what, how = capsys.readouterr().err.strip().splitlines()
    assert status == MachineLacks.exit_code
    assert "no " in what
    assert remedy in how
