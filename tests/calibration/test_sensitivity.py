"""What costs most is found, and kept in float until the budget is met."""

import pytest

from tests.calibration.make import tiny_graph
from tosa_edge.calibration import Settings, calibrate
from tosa_edge.calibration import int8 as flow
from tosa_edge.calibration.agreement import Agreement
from tosa_edge.calibration.placement import find_layers
from tosa_edge.calibration.sensitivity import costs, keep_within
from tosa_edge.errors import CheckFailed

# What each kind of layer costs by itself, in this made-up world; block 2 costs three times as much.
WORTH = {"patch embedding": 0.0, "qkv": 0.001, "proj": 0.0, "fc1": 0.002, "fc2": 0.004}


@pytest.fixture
def layers(graph):
    return find_layers(graph.proto)


def judge_of(layers, calls=None):
    def judge(higher):
        if calls is not None:
            calls.append(set(higher))
        lost = sum(
            WORTH[layer.kind] * (3 if layer.block == "block 2" else 1)
            for layer in layers
            if layer.name not in higher
        )
        return Agreement(1 - lost, 2 * lost, 1.0)

    return judge


def sizes_of(layers):
    return {layer.name: 4 if "fc" in layer.kind else 1 for layer in layers}


def test_each_group_costs_what_it_costs(layers):
    ranked = costs(layers, sizes_of(layers), judge_of(layers))
    assert [c.group for c in ranked[:3]] == ["fc2", "block 2", "fc1"]
    by_name = {c.group: c for c in ranked}
    assert by_name["block 2"].drop == pytest.approx(3 * sum(WORTH.values()))
    assert by_name["fc2"].error == pytest.approx(2 * 0.004 * 6)
    assert by_name["patch embedding"].drop == pytest.approx(0)
    assert len(ranked) == 4 + 5
    assert sum(c.share for c in ranked if c.group.startswith("block")) == pytest.approx(40 / 41)


def test_no_more_is_kept_than_the_budget_asks_for(layers):
    judge = judge_of(layers)
    ranked = costs(layers, sizes_of(layers), judge)
    start = judge(())
    assert keep_within(start.drop, layers, ranked, judge, start).groups == ()
    a_little = keep_within(start.drop - 0.001, layers, ranked, judge, start)
    assert a_little.groups == ("block 2",)  # the most for its size, though fc2 costs more as a whole
    assert a_little.agreement.drop <= start.drop - 0.001
    more = keep_within(0.01, layers, ranked, judge, start)
    assert more.agreement.drop <= 0.01
    assert set(a_little.layers) < set(more.layers)


def test_a_budget_that_leaves_nothing_in_int8_is_refused(layers):
    judge = judge_of(layers)
    broken = {**WORTH, "patch embedding": 1e-3, "proj": 1e-3}
    assert broken  # every kind costs something: nothing but float loses nothing
    ranked = costs(layers, sizes_of(layers), judge)

    def always(higher):
        return Agreement(0.9, 0.1, 1.0)

    with pytest.raises(CheckFailed, match="cannot be met"):
        keep_within(0.0, layers, ranked, always, always(()))


def test_a_layer_that_int8_ruins_is_found_in_a_real_model(photos, monkeypatch):
    """A range a thousand times too wide leaves a handful of codes to one layer's input."""
    graph = tiny_graph(dense=True)
    victim = next(layer for layer in find_layers(graph.proto) if layer.name.endswith("blocks.2.mlp.fc1"))
    honest = flow.measure

    def ruined(*args, **kwargs):
        ranges = honest(*args, **kwargs)
        low, high = ranges[victim.activation]
        return {**ranges, victim.activation: (1000 * low, 1000 * high)}

    monkeypatch.setattr(flow, "measure", ruined)
    plain = calibrate(graph, photos, Settings(compare=True, threads=1))
    assert plain.kept.layers == ()
    budget = plain.kept.agreement.drop / 2
    steps = []
    done = calibrate(graph, photos, Settings(max_drop=budget, threads=1), lambda *step: steps.append(step))
    assert {c.group for c in done.costs[:2]} == {"block 2", "fc1"}
    assert done.kept.groups[0] == "block 2" or done.kept.groups[0] == "fc1"
    assert victim.name in done.kept.layers
    assert done.kept.agreement.drop <= budget
    assert done.layers == 17 - len(done.kept.layers)
    assert ("trying groups", 9, 9) in steps
