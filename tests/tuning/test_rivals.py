"""Ways side by side: each at its published settings, and a loss that is counted in pictures."""

import numpy as np
import pytest
import torch

from tests.nets import TINY, TINY_CLASSES, random_image, tiny_net
from tosa_edge.nn.arithmetic import rows_by_layer
from tosa_edge.nn.config import ModelConfig
from tosa_edge.tuning.rivals import DenseClasses, first_classes, rivals

DEIT = ModelConfig(
    height=224,
    width=224,
    patch=16,
    head="linear",
    head_layers=(11,),
    head_reads=("class",),
    output="class_logits",
    classes=1000,
    selectors=False,
)


@pytest.mark.parametrize("config", [DEIT, TINY, TINY_CLASSES])
def test_every_way_is_there_once_and_dense_is_first(config):
    found = rivals(config)
    assert len({candidate.name for candidate in found}) == len(found)
    assert found[0].name == "dense"
    for kind in ("ToSA", "lot", "windows", "ToMe", "EViT"):
        assert any(candidate.name.startswith(kind) for candidate in found), kind


def test_others_keep_what_their_papers_say():
    """ToMe takes 13 of 196 patches in each of 11 layers; EViT keeps 70 % three times, and one more."""
    ways = {candidate.name: candidate.pattern.ways for candidate in rivals(DEIT)}
    merged = rows_by_layer(DEIT, ways["ToMe 6.6%"])
    assert merged == [197, *(197 - 13 * layer for layer in range(1, 12))]
    left = rows_by_layer(DEIT, ways["EViT keep 0.7"])
    first = 196 - round(0.3 * 196) + 1
    second = first - round(0.3 * first) + 1
    third = second - round(0.3 * second) + 1
    assert left == [197] * 4 + [1 + first] * 3 + [1 + second] * 3 + [1 + third] * 2


def test_what_is_lost_is_a_share_of_what_dense_gets_right():
    net = tiny_net(config=TINY_CLASSES)
    pictures = np.stack([random_image(1, TINY_CLASSES, seed)[0].numpy() for seed in range(6)])
    every = rivals(TINY_CLASSES)
    dense = first_classes(net, every[0], pictures)
    with torch.no_grad():
        assert np.array_equal(dense, net(torch.from_numpy(pictures)).argmax(1).numpy())
    labels = dense.copy()
    labels[0] = (labels[0] + 1) % 7  # dense is wrong of one
    judge = DenseClasses(net, pictures, labels).distance
    same = judge(every[0])
    assert (same.loss, same.within, same.edges) == (0, 0, None)
    other = next(c for c in every if c.name.startswith("lot"))
    right = int((first_classes(net, other, pictures) == labels).sum())
    assert judge(other).loss == pytest.approx((5 - right) / 5)
