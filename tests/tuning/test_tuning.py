import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.nets import TINY, TINY_DPT, random_image, tiny_checkpoint, tiny_net
from tests.nn import official
from tosa_edge.cli import app
from tosa_edge.files import sha256_of
from tosa_edge.nn.arithmetic import encoder_cost, rows_by_layer
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.tosa import Pattern
from tosa_edge.row_sharing import parse_ways
from tosa_edge.tuning.candidates import DENSE, Candidate, candidates, sizes
from tosa_edge.tuning.distance import DenseAnswers, Distance
from tosa_edge.tuning.front import Point, choose, front
from tosa_edge.tuning.tune import _Tried, worth_timing

NUMBERS = {"loss": st.floats(0, 1), "edges": st.just(0.0), "ratio": st.floats(0.1, 9), "p50_ms": st.just(1.0)}
POINTS = st.lists(st.builds(Point, name=st.text("abc", max_size=3), **NUMBERS), max_size=12)


@given(points=POINTS)
def test_a_front_holds_what_nothing_beats_and_nothing_else(points):
    best = front(points)
    for one, other in itertools.pairwise(best):
        assert one.ratio < other.ratio
        assert one.loss < other.loss
    for point in points:
        assert any(p.ratio >= point.ratio and p.loss <= point.loss for p in best)
        beaten = any(p.ratio > point.ratio and p.loss < point.loss for p in points)
        assert not (beaten and point in best)


def test_a_choice_meets_what_was_asked_for():
    points = [Point(str(ratio), loss, 0.0, ratio, 1.0) for ratio, loss in ((1, 0.0), (1.5, 0.01), (2, 0.04))]
    assert choose(points, target=1.4) == points[1]
    assert choose(points, budget=0.02) == points[1]
    assert choose(points, budget=0.5) == points[2]
    assert choose(points, target=3) is None
    assert choose(points, target=1.9, budget=0.01) is None


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(),
        TINY,
        ModelConfig(height=518, width=518),  # an odd grid
        ModelConfig(height=14, width=14, layers=2, head_layers=(0, 0, 1, 1)),
    ],
)
def test_candidates_fit_the_model(config):
    found = candidates(config)
    assert found[0] == Candidate(DENSE, (config.height, config.width), Pattern())
    assert len({c.name for c in found}) == len(found)
    for candidate in found:
        config.at(*candidate.size)
        assert all(way.stop <= config.layers for way in candidate.pattern.ways)
    assert sizes(config)[0] == (config.height, config.width)


@pytest.mark.parametrize(
    ("spec", "rows"),
    [
        ("pairs:1-2", [25, 13, 13, 25]),  # 24 patches in six windows, and the class token
        ("windows=0.5,0.5:2-3", [25, 25, 19, 19]),
        ("groups=0.25:1-3/2", [25, 19, 19, 13]),
    ],
)
def test_rows_are_counted_as_the_encoder_makes_them(spec, rows):
    ways = parse_ways(spec)
    assert rows_by_layer(TINY, ways) == rows
    net, seen = tiny_net(), []
    for block in net.encoder.blocks:
        block.attn.qkv.register_forward_hook(lambda _module, _inputs, out: seen.append(out.shape[1]))
    with torch.no_grad():
        net.encoder(net.normalise(random_image()), Pattern(ways=ways))
    assert seen == rows
    assert encoder_cost(TINY, ways) < encoder_cost(TINY, ())


@pytest.mark.parametrize("output", ["relative_inverse_depth", "metric_depth"])
def test_the_dense_model_is_at_no_distance_from_itself(output):
    net = tiny_net(config=replace(TINY, output=output))
    dense = DenseAnswers(net, random_image(3).numpy())
    same = dense.distance(Candidate("", (TINY.height, TINY.width), Pattern()))
    assert (same.loss, same.absrel) == (0, pytest.approx(0, abs=1e-6))
    other = dense.distance(Candidate("", (28, 42), Pattern(ways=parse_ways("quads:1-3"))))
    assert other.absrel > same.absrel
    assert same.within == 0 < other.within < 1
    one = DenseAnswers(net, np.zeros((1, TINY.height, TINY.width, 3), np.uint8))
    assert one.distance(Candidate("", (28, 42), Pattern())).within is None  # nothing tells how sure it is


def test_what_loses_more_than_something_cheaper_is_not_timed():
    every = [Candidate(name, (1, 1), Pattern()) for name in "abc"]
    tried = {"a": Distance(0.01, 0, 0, 0), "b": Distance(0.05, 0, 0, 0), "c": Distance(0.02, 0, 0, 0)}
    cost = {"a": 3, "b": 2, "c": 1}
    assert [c.name for c in worth_timing(every, tried, lambda c: cost[c.name])] == ["a", "c"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    from tosa_edge.pictures.opencv import opencv

    folder = tmp_path_factory.mktemp("pictures")
    for number in range(3):
        picture = random_image(seed=number)[0].numpy()
        opencv().imwrite(str(folder / f"{number}.png"), picture)
    return folder


@pytest.mark.slow
def test_tune_writes_a_front_and_the_model_that_was_asked_for(tmp_path, pictures, monkeypatch):
    few = [candidates(TINY)[number] for number in (0, 1)]
    monkeypatch.setattr("tosa_edge.tuning.tune.candidates", lambda config: few)
    checkpoint, out = tiny_checkpoint(tmp_path), tmp_path / "tuned"
    command = ["tune", str(checkpoint), "--images", str(pictures), "-o", str(out), "--rounds", "2", "--json"]
    first = CliRunner().invoke(app, [*command, "--budget", "100%"])
    assert first.exit_code == 0, first.stderr
    found = json.loads(first.stdout)
    names = [point["name"] for point in found["front"]]
    assert found["chosen"] in names
    assert (out / "front.svg").read_text().startswith("<svg")
    assert json.loads((out / "front.json").read_text()) == found
    if found["chosen"] != DENSE:  # a tiny model may be fastest as it is
        assert (out / "model" / "tuned.onnx").is_file()
    again = CliRunner().invoke(app, [*command, "--target", "900x"])
    assert again.exit_code == 1
    assert "nothing that was tried is 900 times as fast" in again.stderr
    assert json.loads(again.stdout)["tried"] == found["tried"]  # nothing is compared twice


def test_another_s_checkpoint_has_to_be_a_model_first(tmp_path, pictures):
    path = tmp_path / "depth_anything_v2_vits.pth"
    torch.save(official.depth_anything(), path)
    result = CliRunner().invoke(
        app, ["tune", str(path), "--images", str(pictures), "-o", str(tmp_path / "o")]
    )
    assert result.exit_code == 2
    assert f"Make it one first: tosa-edge export {path} -o MODEL" in " ".join(result.stderr.split())
    assert not (tmp_path / "o").exists()


@pytest.mark.slow
def test_a_model_with_another_s_head_is_tuned(tmp_path, pictures, monkeypatch):
    few = [candidates(TINY_DPT)[number] for number in (0, 1)]
    monkeypatch.setattr("tosa_edge.tuning.tune.candidates", lambda config: few)
    command = ["tune", str(tiny_checkpoint(tmp_path, TINY_DPT)), "--images", str(pictures), "--rounds", "2"]
    result = CliRunner().invoke(app, [*command, "-o", str(tmp_path / "out"), "--json"])
    assert result.exit_code == 0, result.stderr
    assert set(json.loads(result.stdout)["tried"]) == {few[1].name}


def test_of_other_pictures_nothing_is_remembered(tmp_path):
    net, checkpoint = tiny_net(), tiny_checkpoint(tmp_path)
    smaller = candidates(TINY)[8]
    found = []
    for seed in (0, 1, 0):
        pictures = random_image(2, seed=seed).numpy()
        known = _Tried(tmp_path / "tried.json", sha256_of(checkpoint), pictures)
        found.append(known.distance(smaller, DenseAnswers(net, pictures)))
    assert found[0] == found[2] != found[1]


def test_aims_that_are_no_numbers_are_refused(tmp_path, pictures):
    command = ["tune", "tosa_depth_t", "--images", str(pictures), "-o", str(tmp_path / "out")]
    for flag, value in (("--target", "fast"), ("--budget", "-1%"), ("--target", "nan")):
        result = CliRunner().invoke(app, [*command, flag, value])
        assert result.exit_code == 2
        assert f"{flag} {value} is no number to aim at" in result.stderr
    assert not (tmp_path / "out").exists()
