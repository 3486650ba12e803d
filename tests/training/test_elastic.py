from itertools import pairwise

import numpy as np
import pytest

from tosa_edge.nn.config import ModelConfig
from tosa_edge.row_sharing import parse_ways
from tosa_edge.training.elastic import draw_pattern


@pytest.mark.parametrize("layers", [2, 4, 12, 24])
def test_drawn_ways_reach_the_last_layer_with_ever_fewer_rows(layers):
    rng, config = np.random.default_rng(0), ModelConfig(layers=layers, head_layers=(0, 0, 1, 1))
    seen = set()
    for _ in range(60):
        pattern = draw_pattern(config, rng, represented=1.0)
        assert not pattern.layers
        assert parse_ways("+".join(map(str, pattern.ways)), layers) == pattern.ways
        assert pattern.ways[-1].stop == layers
        assert all(a.rows > b.rows for a, b in pairwise(pattern.ways))
        seen.add(len(pattern.ways))
    assert seen == set(range(1, min(3, layers - 1) + 1))


def test_without_them_a_recipe_draws_what_it_drew():
    one, other = np.random.default_rng(3), np.random.default_rng(3)
    assert [draw_pattern(ModelConfig(), one) for _ in range(9)] == [
        draw_pattern(ModelConfig(), other, represented=0.0) for _ in range(9)
    ]
