import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from tests.nets import TINY, TINY_DPT, random_image, tiny_net
from tosa_edge.errors import TosaEdgeError
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.net import VisionNet
from tosa_edge.nn.positions import resample_positions
from tosa_edge.nn.shapes import parameter_shapes
from tosa_edge.nn.tosa import Pattern
from tosa_edge.nn.weights import (
    load_encoder,
    load_net,
    read_checkpoint,
    save_net,
)


def official_encoder(registers=0, dim=128, layers=4, side=5):
    """A state dict as DINOv2 publishes it, with random numbers."""
    net = VisionNet(
        ModelConfig(
            height=14 * side,
            width=14 * side,
            dim=dim,
            layers=layers,
            heads=dim // 64,
            registers=registers,
            head_layers=(0, 1, 2, 3),
        )
    )
    tensors = {
        k: torch.randn_like(v) * 0.1 for k, v in net.encoder.state_dict().items() if "selectors" not in k
    }
    return tensors | {"mask_token": torch.zeros(1, dim)}


@pytest.mark.parametrize("prefix", ["", "pretrained.", "teacher.backbone.", "module."])
@pytest.mark.parametrize("registers", [0, 4])
@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_official_encoders_load_by_their_key_names(tmp_path, prefix, registers, ending):
    official, path = official_encoder(registers), tmp_path / f"e.{ending}"
    tensors = {prefix + k: v for k, v in official.items()} | {"depth_head.conv.weight": torch.zeros(1)}
    (save_file if ending == "safetensors" else torch.save)(tensors, path)
    net, said = load_encoder(path, (42, 70))
    config = net.config
    assert (config.dim, config.layers, config.heads, config.registers) == (128, 4, 2, registers)
    assert config.positions == ("antialias" if registers else "offset")
    assert said.endswith("its encoder, and not its head of 1 tensor, which is dropped")
    state = net.encoder.state_dict()
    for name, tensor in official.items():
        if name not in ("pos_embed", "mask_token"):
            assert torch.equal(state[name], tensor), name
    expected = resample_positions(official["pos_embed"], (5, 5), (3, 5), config.positions)
    assert torch.equal(state["pos_embed"], expected)
    assert net(random_image(2, config)).shape == (2, 42, 70)


def test_an_encoder_that_lacks_a_tensor_is_refused_by_name(tmp_path):
    tensors = official_encoder()
    del tensors["blocks.2.mlp.fc1.bias"]
    save_file(tensors, tmp_path / "e.safetensors")
    with pytest.raises(TosaEdgeError, match=r"blocks\.2\.mlp\.fc1\.bias is missing"):
        load_encoder(tmp_path / "e.safetensors", (42, 70))


def test_shapes_without_pytorch_are_those_of_the_model():
    for config in (TINY, TINY_DPT, replace(TINY, registers=4, heads=4), replace(TINY_DPT, layers=5)):
        state = VisionNet(config).state_dict()
        assert parameter_shapes(config) == {name: tuple(tensor.shape) for name, tensor in state.items()}


@given(
    old=st.tuples(st.integers(2, 12), st.integers(2, 12)),
    new=st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
@settings(max_examples=60, deadline=None)
def test_positions_resample_to_any_grid(old, new):
    pos = torch.randn(1, 1 + old[0] * old[1], 4, generator=torch.Generator().manual_seed(0))
    out = resample_positions(pos, old, new)
    assert out.shape == (1, 1 + new[0] * new[1], 4)
    assert torch.equal(out[:, 0], pos[:, 0])
    assert out.isfinite().all()
    if old == new:
        assert torch.equal(out, pos)


def test_positions_resample_as_dinov2_does():
    pos = torch.randn(1, 1 + 37 * 37, 8, generator=torch.Generator().manual_seed(0))
    grid = pos[:, 1:].reshape(1, 37, 37, 8).permute(0, 3, 1, 2)
    expected = F.interpolate(grid, scale_factor=(18.1 / 37, 24.1 / 37), mode="bicubic")
    out = resample_positions(pos, (37, 37), (18, 24))
    assert torch.equal(out[:, 1:], expected.permute(0, 2, 3, 1).reshape(1, 432, 8))


def test_a_model_comes_back_as_it_was_saved(tmp_path):
    net = tiny_net().half().float()
    save_net(net, tmp_path / "w.safetensors")
    again = load_net(tmp_path / "w.safetensors")
    assert again.config == net.config
    assert torch.equal(again(random_image()), net(random_image()))
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_a_model_loads_at_another_size(tmp_path):
    save_net(tiny_net(), tmp_path / "w.safetensors")
    net = load_net(tmp_path / "w.safetensors", (98, 42))
    assert net(random_image(1, TINY.at(98, 42))).shape == (1, 98, 42)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("no.safetensors", None, "there is no checkpoint"),
        ("a.pth", b"\x80\x04", "bare pickle, or half a file"),
        ("empty.safetensors", b"", "not a complete"),
        ("cut.safetensors", b"\x40\x00\x00\x00\x00\x00\x00\x00{", "not a complete"),
    ],
)
def test_bad_checkpoints_are_refused_in_words(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(TosaEdgeError, match=says) as caught:
        read_checkpoint(tmp_path / name)
    assert "\n" not in caught.value.what
    assert "\n" not in caught.value.remedy


def test_an_encoder_without_a_head_is_no_depth_model(tmp_path):
    save_file(official_encoder(), tmp_path / "e.safetensors")
    with pytest.raises(TosaEdgeError, match="without a depth head"):
        load_net(tmp_path / "e.safetensors")


@given(height=st.integers(-20, 300), width=st.integers(-20, 300))
@settings(max_examples=60, deadline=None)
def test_only_multiples_of_the_patch_are_sizes(height, width):
    fits = height > 0 and width > 0 and height % 14 == 0 and width % 14 == 0
    if fits:
        config = ModelConfig(height=height, width=width)
        assert config.tokens == config.grid[0] * config.grid[1] == height * width // 196
        assert ModelConfig.from_json(config.to_json()) == config
        assert json.loads(config.to_json())["height"] == height
    else:
        with pytest.raises(TosaEdgeError, match=r"multiple of the patch|whole number from 1"):
            ModelConfig(height=height, width=width)


def test_a_model_takes_pictures_of_other_sizes_as_the_model_made_for_them_does(tmp_path):
    pattern = Pattern((1, 3), 0.5)
    path = tmp_path / "w.safetensors"
    save_net(tiny_net(), path)
    net, made_for_it = load_net(path, pattern=pattern), load_net(path, (84, 56), pattern)
    other = random_image(config=made_for_it.config)
    (depth, kept), (expected, chosen) = net(other), made_for_it(other)
    assert torch.equal(kept, chosen)
    assert torch.equal(depth, expected)
