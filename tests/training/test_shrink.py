import pytest
import torch

from tests.nets import TINY, random_image, tiny_net
from tosa_edge.errors import TosaEdgeError
from tosa_edge.nn.config import ModelConfig
from tosa_edge.training.recipe import Shrink
from tosa_edge.training.shrink import shrink, weightiest

ALL, WIDE = tuple(range(TINY.layers)), int(TINY.dim * TINY.mlp_ratio)


def test_all_layers_and_all_units_is_the_same_model():
    net = tiny_net()
    image = random_image(2)
    assert torch.equal(shrink(net, Shrink(ALL, WIDE), "same")(image), net(image))


def test_units_that_do_nothing_are_the_first_to_go():
    net = tiny_net()
    idle = slice(0, WIDE // 2)
    with torch.no_grad():
        for layer in ALL:
            net.encoder.block(layer).mlp.fc2.weight[:, idle] = 0
    small = shrink(net, Shrink(ALL, WIDE // 2), "half")
    assert small.config.mlp_ratio == TINY.mlp_ratio / 2
    torch.testing.assert_close(small(random_image()), net(random_image()))


def test_a_layer_that_does_nothing_can_be_left_out():
    net = tiny_net(config=ModelConfig(**{**TINY.__dict__, "head_layers": (0, 1, 3, 3)}))
    with torch.no_grad():
        net.encoder.block(2).ls1.gamma.zero_()
        net.encoder.block(2).ls2.gamma.zero_()
    small = shrink(net, Shrink((0, 1, 3), WIDE), "three")
    assert small.config.head_layers == (0, 1, 2, 2)
    torch.testing.assert_close(small(random_image()), net(random_image()))


@pytest.mark.parametrize("layers", [(0, 1, 2), (0, 1, 2, 3, 4)])
def test_layers_that_do_not_fit_are_refused(layers):
    with pytest.raises(TosaEdgeError, match="do not fit"):
        shrink(tiny_net(), Shrink(layers, WIDE), "bad")


def test_more_units_than_there_are_is_refused():
    with pytest.raises(TosaEdgeError, match="more than the 128"):
        shrink(tiny_net(), Shrink(ALL, WIDE + 1), "bad")


def test_weightiest_counts_both_ways_in_and_out():
    fc1 = torch.tensor([[1.0], [3.0], [2.0], [0.1]])
    fc2 = torch.tensor([[1.0, 0.0, 1.0, 100.0]])
    assert weightiest(fc1, fc2, 2).tolist() == [2, 3]
