"""Models of others, loaded by us and by transformers: another implementation, of the same files.

Both are held against theirs in double precision; ours may be off as much as theirs, and a little.
"""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from tests.nets import random_image
from tosa_edge.nn.facts import Told
from tosa_edge.nn.tosa import Pattern
from tosa_edge.nn.weights import load_encoder, load_net

transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed: it comes with 'dev'"
)

TINY = {
    "hidden_size": 64,
    "num_attention_heads": 2,
    "num_hidden_layers": 4,
    "image_size": 70,
    "patch_size": 14,
}
TINY_NECK = {"neck_hidden_sizes": [8, 12, 16, 20], "fusion_hidden_size": 16, "reassemble_hidden_size": 64}
REAL = {
    "S": (384, 6, 12, 64, [48, 96, 192, 384]),
    "B": (768, 12, 12, 128, [96, 192, 384, 768]),
    "L": (1024, 16, 24, 256, [256, 512, 1024, 1024]),
}


def randomised(model):
    """Numbers with which every part shows in the result; those of a new model hide most."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, p in model.named_parameters():
            number = torch.randn(p.shape, generator=generator)
            if "lambda1" in name or ("norm" in name and name.endswith("weight")):
                p.copy_(1 + 0.2 * number)
            elif p.ndim > 1 and "token" not in name and "position" not in name:
                p.copy_(number * (2 / number[0].numel()) ** 0.5)
            else:
                p.copy_(0.3 * number)
    return model.eval()


def depth_anything(backbone, neck, out, **settings):
    inner = transformers.Dinov2Config(**backbone, out_indices=out, reshape_hidden_states=False)
    config = transformers.DepthAnythingConfig(backbone_config=inner, **neck, **settings)
    model = randomised(transformers.DepthAnythingForDepthEstimation(config))
    with torch.no_grad():  # most of the picture above zero, where the last ReLU shows it
        model.head.conv3.weight.mul_(0.1)
        model.head.conv3.bias.fill_(1.0)
    return model


def agree(model, folder, size, told=None):
    """Layer by layer and at the end."""
    net = load_net(folder / "model.safetensors", size, told=told)
    picture = random_image(1, net.config)
    pixels = net.normalise(picture)
    with torch.no_grad():
        ours, _ = net.encoder(pixels, Pattern())
        found = [*ours, net.head(ours, pixels)]
        theirs = [*(f[:, 1:] for f in model.backbone(pixels).feature_maps), model(pixels).predicted_depth]
        exact_model = model.double()
        twice = pixels.double()
        exact = [
            *(f[:, 1:] for f in exact_model.backbone(twice).feature_maps),
            exact_model(twice).predicted_depth,
        ]
        model.float()
    assert found[-1].shape == (1, *size)
    for mine, other, true in zip(found, theirs, exact, strict=True):
        assert mine.shape == true.shape
        allowed = 2 * (other - true).abs().max() + 1e-6 * true.abs().max()
        assert (mine - true).abs().max() <= allowed
    assert exact[-1].std() > 0.02 * exact[-1].max()
    return net


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Models and their folders, made once."""
    made = {}

    def of(kind):
        if kind not in made:
            settings = {"depth_estimation_type": "metric", "max_depth": 80} if kind == "metric" else {}
            folder = tmp_path_factory.mktemp(kind)
            model = depth_anything(TINY, TINY_NECK, [1, 2, 3, 4], **settings)
            model.save_pretrained(folder)
            made[kind] = (model, folder)
        return made[kind]

    return of


@pytest.mark.parametrize(
    ("kind", "size"), [("relative", (70, 70)), ("relative", (56, 84)), ("metric", (98, 42))]
)
def test_depth_anything(saved, kind, size):
    net = agree(*saved(kind), size)
    assert (net.config.positions, net.config.heads, net.config.max_depth) == (
        "size",
        2,
        80.0 * (kind == "metric"),
    )


def test_names_as_they_are_in_memory_since_version_5(saved, tmp_path):
    model, old = saved("relative")
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    assert "backbone.encoder.layer.0.attention.q_proj.weight" in state
    save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((old / "config.json").read_text())
    agree(model, tmp_path, (56, 84))


@pytest.mark.parametrize("registers", [False, True])
@pytest.mark.parametrize("size", [(56, 84), (98, 42)])
def test_encoders(tmp_path, registers, size):
    kind = "Dinov2WithRegisters" if registers else "Dinov2"
    config = getattr(transformers, f"{kind}Config")(**TINY)
    model = randomised(getattr(transformers, f"{kind}Model")(config))
    model.save_pretrained(tmp_path)
    net, _ = load_encoder(tmp_path / "model.safetensors", size)
    assert net.config.registers == 4 * registers
    pixels = net.normalise(random_image(1, net.config))
    skip = 1 + net.config.registers

    def hidden(model, pixels):
        states = model(pixels, output_hidden_states=True).hidden_states
        return [model.layernorm(states[layer + 1])[:, skip:] for layer in net.config.head_layers]

    with torch.no_grad():
        found, _ = net.encoder(pixels, Pattern())
        theirs = hidden(model, pixels)
        exact = hidden(model.double(), pixels.double())
    for mine, other, true in zip(found, theirs, exact, strict=True):
        assert (mine - true).abs().max() <= 2 * (other - true).abs().max() + 1e-6 * true.abs().max()


@pytest.mark.slow
@pytest.mark.parametrize("letter", REAL)
@pytest.mark.parametrize("version", [1, 2])
def test_the_real_shapes(tmp_path, letter, version):
    dim, heads, layers, features, channels = REAL[letter]
    v2 = {12: [3, 6, 9, 12], 24: [5, 12, 18, 24]}[layers]
    out = v2 if version == 2 else list(range(layers - 3, layers + 1))
    backbone = {
        "hidden_size": dim,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "image_size": 518,
    }
    neck = {"neck_hidden_sizes": channels, "fusion_hidden_size": features, "reassemble_hidden_size": dim}
    model = depth_anything({**backbone, "patch_size": 14}, neck, out)
    model.save_pretrained(tmp_path)
    for size in ((518, 518), (252, 336)) if letter == "S" else ((252, 336),):
        net = agree(model, tmp_path, size)
        assert net.config.family == f"Depth Anything V{version} {letter}"
    (tmp_path / "config.json").unlink()  # and where nothing but a flag tells
    net = load_net(tmp_path / "model.safetensors", (28, 28), told=Told(f"depth-anything-v{version}"))
    assert net.config.head_layers == tuple(n - 1 for n in out)
