from dataclasses import replace

import pytest
import tomllib

from tosa_edge.errors import TosaEdgeError
from tosa_edge.training.recipe import FOLDER, parse_recipe, read_recipe


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda p: p.stem)
def test_the_bundled_recipes_are_named_after_their_models(path):
    recipe = read_recipe(path.stem)
    assert recipe.name == path.stem
    assert recipe.stages[-1].elastic or recipe.head == "dpt"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name = 'x'\nstart = 'y'", "stages. is missing"),
        ("name = 'x'\nstart = 'y'\n[[stages]]\nname = 's'\nsteps = 0", "steps is not a whole number from 1"),
        ("name = 'x'\nstart = 'y'\n[[stages]]\nname = 's'\nsteps = 1\nspeed = 2", "stage has no .speed"),
        ("name = 'x'\nstart = 'y'\ncolour = 1\n[[stages]]\nname = 's'\nsteps = 1", "recipe has no .colour"),
        ("start = 'y'\n[[stages]]\nname = 's'\nsteps = 1", "name"),
        ("name = = 1", "line 1"),
        (
            "name = 'x'\nstart = 'y'\n[[stages]]\nname = 's'\nsteps = 1\n[[stages]]\nname = 's'\nsteps = 1",
            "same name",
        ),
    ],
)
def test_a_recipe_that_would_train_something_else_is_refused(text, told, tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(TosaEdgeError, match=told) as error:
        read_recipe(str(path))
    assert "tosa_depth_s.toml" in error.value.remedy


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(TosaEdgeError) as error:
        read_recipe("no_such_model")
    assert "tosa_depth_s" in error.value.remedy


def test_tables_become_a_recipe():
    raw = tomllib.loads(
        "name = 'x'\nstart = 'y'\n[shrink]\nlayers = [0, 2]\nimitates = [1, 2]\nhidden = 8\n"
        "[[stages]]\nname = 's'\nsteps = 3"
    )
    recipe = parse_recipe(raw)
    assert recipe.shrink is not None
    assert recipe.shrink.layers == (0, 2)
    assert [s.steps for s in recipe.stages] == [3]


def test_the_control_differs_from_the_released_model_in_its_stage_alone():
    released = read_recipe("tosa_depth_s")
    control = read_recipe(str(FOLDER.parent / "study" / "dense_only.toml"))
    assert control.head_layers == released.head_layers
    elastic, dense_only = released.stages[-1], control.stages[0]
    assert replace(elastic, name=dense_only.name, elastic=False) == dense_only
    assert replace(control, stages=released.stages) == released  # start, sizes and all
    # Batches are drawn by seed + number of the stage.
    assert control.seed == released.seed + len(released.stages) - 1
