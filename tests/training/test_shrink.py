import pytest
import torch

from tests.nets import TINY, random_image, tiny_net
from tosa_edge.errors import TosaEdgeError
from tosa_edge.nn.config import ModelConfig
from tosa_edge.training.recipe import Shrink
from tosa_edge.training.shrink import busiest, shrink

ALL, WIDE = tuple(range(TINY.layers)), int(TINY.dim * TINY.mlp_ratio)


@torch.no_grad()
def off(one, other):
    """How far two answers are from each other, as a share of how much the second varies."""
    return float((one - other).norm() / (other - other.mean()).norm())


def test_all_layers_and_all_units_is_the_same_model():
    net = tiny_net()
    image = random_image(2)
    assert off(shrink(net, Shrink(ALL, ALL, WIDE), "same", random_image(8))(image), net(image)) < 1e-5


def test_units_that_do_nothing_are_the_first_to_go():
    net = tiny_net()
    idle = slice(0, WIDE // 2)
    with torch.no_grad():
        for layer in ALL:
            net.encoder.block(layer).mlp.fc2.weight[:, idle] = 0
    small = shrink(net, Shrink(ALL, ALL, WIDE // 2), "half", random_image(8))
    assert small.config.mlp_ratio == TINY.mlp_ratio / 2
    assert off(small(random_image()), net(random_image())) < 1e-5


def test_a_layer_that_does_nothing_can_be_left_out():
    net = tiny_net(config=ModelConfig(**{**TINY.__dict__, "head_layers": (0, 1, 3, 3)}))
    with torch.no_grad():
        net.encoder.block(2).ls1.gamma.zero_()
        net.encoder.block(2).ls2.gamma.zero_()
    small = shrink(net, Shrink((0, 1, 3), (0, 1, 3), WIDE), "three", random_image(8))
    assert small.config.head_layers == (0, 1, 2, 2)
    assert off(small(random_image()), net(random_image())) < 1e-5


def test_a_layer_takes_over_the_work_of_the_one_after_it():
    """Half the units and a layer less: fitted, the answer is nearer than without the one left out."""
    net = tiny_net(config=ModelConfig(**{**TINY.__dict__, "head_layers": (0, 1, 3, 3)}))
    with torch.no_grad():
        for layer in ALL:
            net.encoder.block(layer).ls2.gamma.fill_(0.5)
    shown, image = random_image(32), random_image(3)
    fitted = shrink(net, Shrink((0, 1, 3), (0, 1, 3), WIDE // 2), "fitted", shown)
    cut = shrink(net, Shrink((0, 1, 3), (0, 1, 3), WIDE // 2), "cut", shown[:1])
    assert off(fitted(image), net(image)) < off(cut(image), net(image))


@pytest.mark.parametrize(
    ("layers", "imitates"), [((0, 1, 2), (0, 1, 2)), ((0, 1), ALL), ((0, 1, 2, 4), ALL), (ALL, (0, 2, 1, 3))]
)
def test_layers_that_do_not_fit_are_refused(layers, imitates):
    with pytest.raises(TosaEdgeError, match="do not fit"):
        shrink(tiny_net(), Shrink(layers, imitates, WIDE), "bad", random_image())


def test_more_units_than_there_are_is_refused():
    with pytest.raises(TosaEdgeError, match="more than the 128"):
        shrink(tiny_net(), Shrink(ALL, ALL, WIDE + 1), "bad", random_image())


def test_the_busiest_units_vary_and_are_listened_to():
    active = torch.tensor([[0.0, 5.0, 0.0, 0.0], [1.0, 5.0, 2.0, 0.1]])
    fc2 = torch.tensor([[1.0, 9.0, 1.0, 1.0]])
    assert busiest(active, fc2, 2).tolist() == [0, 2]
