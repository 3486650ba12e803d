"""The made set of single things: what it holds out, and that its pictures are of what they say."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("embreex", reason="embreex is not installed: it comes with 'render'")

from tosa_edge.training.render import objects
from tosa_edge.training.render.catalogue import Model


def model(number, name):
    return Model("bundle", f"a/{name} {number}.obj", name, "Room", "somebody", (1, 1, 1), 0.0, ())


def test_what_a_name_says():
    found = {
        name: objects.class_of(name) for name in ("Desk lamp", "Bar chair", "Wooden chair", "Coffee table")
    }
    assert found == {
        "Desk lamp": "lamp",
        "Bar chair": "stool",
        "Wooden chair": "chair",
        "Coffee table": "table",
    }
    assert objects.class_of("Woodsman") is None  # whole words
    assert objects.class_of("Fence") is None


def test_whole_models_are_held_out_and_small_classes_left_out():
    models = [model(n, "Chair") for n in range(12)] + [model(n, "Sofa") for n in range(8)]
    models += [model(n, "Stool") for n in range(objects.FEWEST - 1)]
    views = objects.views_of(models, 6, seed=1)
    assert {Path(view.path).parts[1] for view in views} == {"chair", "sofa"}
    parts = {part: {v.model for v in views if v.path.startswith(part)} for part in ("train", "val")}
    assert not parts["train"] & parts["val"]
    assert (len(parts["val"]), len(parts["train"])) == (3 + 2, 9 + 6)
    assert len(views) == 15 * 6 + 5 * 3
    assert len({view.path for view in views}) == len({view.seed for view in views}) == len(views)
    assert objects.views_of(models, 6, seed=1) == views
    other = {v.model for v in objects.views_of(models, 6, seed=2) if v.path.startswith("val")}
    assert other != parts["val"]


@pytest.mark.slow
def test_a_set_is_rendered_and_gone_on_with(made_assets, tmp_path, monkeypatch):
    every = objects.views_of
    monkeypatch.setattr(objects, "views_of", lambda *asked: every(*asked)[:3])
    monkeypatch.setattr(objects, "FEWEST", 1)  # the catalogue here has one of each
    asked = ["--out", str(tmp_path / "set"), "--views", "2", "--size", "56", "--workers", "1"]
    asked += ["--assets", str(made_assets)]
    assert objects.main(asked) == 0
    found = {path: path.read_bytes() for path in (tmp_path / "set").rglob("*.jpg")}
    assert len(found) == 3
    import cv2

    pictures = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) for data in found.values()]
    assert all(picture.shape == (56, 56, 3) and picture.std() > 5 for picture in pictures)
    first = next(iter(found))
    first.unlink()
    assert objects.main(asked) == 0
    assert first.read_bytes() == found[first]
    assert sum(json.loads((tmp_path / "set/set.json").read_text())["pictures"].values()) == 3
