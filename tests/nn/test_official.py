"""Models of others, loaded by us, against the official computation in double precision."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from tests.nets import random_image
from tests.nn import official
from tosa_edge.nn.facts import Told
from tosa_edge.nn.tosa import Pattern
from tosa_edge.nn.weights import load_encoder, load_net, save_as_ours


def doubled(tensors, prefix):
    return {n.removeprefix(prefix): t.double() for n, t in tensors.items() if n.startswith(prefix)}


def off(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Rounding errors are of the size of the largest number."""
    return float((found.double() - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize(
    ("size", "max_depth", "ending"),
    [((70, 70), 0.0, "pth"), ((56, 84), 0.0, "safetensors"), ((98, 42), 20.0, "pth")],
)
def test_depth_anything_as_published(tmp_path, size, max_depth, ending):
    tensors, path = official.depth_anything(), tmp_path / f"x.{ending}"
    (save_file if ending == "safetensors" else torch.save)(tensors, path)
    net = load_net(path, size, told=Told("depth-anything-v2", max_depth))
    assert net.config.output == ("metric_depth" if max_depth else "relative_inverse_depth")
    picture = random_image(2, net.config)
    features, depth = computed(tensors, picture, max_depth)
    with torch.no_grad():
        ours, _ = net.encoder(net.normalise(picture), Pattern())
        for found, expected in zip(ours, features, strict=True):
            assert off(found, expected) < 5e-6
        found = net(picture)
    assert found.shape == (2, *size)
    assert off(found, depth) < 1e-5
    assert found.std() > 0.05 * found.max()  # a picture, and not one number


def computed(tensors, picture, max_depth=0.0):
    features = official.taps(doubled(tensors, "pretrained."), picture, 4, (0, 1, 2, 3))
    rows, columns = picture.shape[1] // 14, picture.shape[2] // 14
    return features, official.depth(doubled(tensors, "depth_head."), features, rows, columns, max_depth)


@pytest.mark.parametrize("registers", [0, 4])
@pytest.mark.parametrize("size", [(56, 84), (98, 42)])
def test_dinov2_as_published(tmp_path, size, registers):
    tensors, path = official.encoder(registers=registers), tmp_path / "x.safetensors"
    save_file(tensors, path)
    net, _ = load_encoder(path, size)
    picture = random_image(1, net.config)
    wanted = net.config.head_layers
    assert wanted == (0, 1, 2, 3)
    expected = official.taps(doubled(tensors, ""), picture, 4, wanted)
    with torch.no_grad():
        found, _ = net.encoder(net.normalise(picture), Pattern())
    for ours, theirs in zip(found, expected, strict=True):
        assert off(ours, theirs) < 5e-6


def test_blocks_in_chunks_are_the_same_blocks(tmp_path):
    tensors = official.depth_anything()
    chunked = {
        name.replace("pretrained.blocks.", f"backbone.blocks.{int(name.split('.')[2]) // 2}.")
        if ".blocks." in name
        else name.replace("pretrained.", "backbone."): tensor
        for name, tensor in tensors.items()
    }
    save_file(tensors, tmp_path / "plain.safetensors")
    save_file(chunked, tmp_path / "distill_any_depth.safetensors")
    plain = load_net(tmp_path / "plain.safetensors", (56, 84))
    other = load_net(tmp_path / "distill_any_depth.safetensors", (56, 84))
    assert other.config.family == "Distill-Any-Depth 128 wide"
    picture = random_image()
    assert torch.equal(plain(picture), other(picture))


def test_positions_are_resampled_once_whatever_a_model_was_saved_for(tmp_path):
    tensors, path, ours = official.depth_anything(), tmp_path / "x.pth", tmp_path / "w.safetensors"
    halves = {name: tensor.half().float() for name, tensor in tensors.items()}
    torch.save(halves, path)
    save_as_ours(path, ours, "mine", (56, 84))
    again = load_net(ours, (98, 42))
    assert torch.equal(
        again(random_image(1, again.config)), load_net(path, (98, 42))(random_image(1, again.config))
    )
    assert (again.config.name, again.config.selectors) == ("mine", False)
    assert load_net(ours).config.grid == (4, 6)
