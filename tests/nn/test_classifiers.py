"""Classifiers of others, loaded by us, and by timm and transformers: other implementations of the same.

Held against theirs in double precision; ours may be off as much as theirs, and a little.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.nets import random_image
from tests.nn.test_transformers import randomised
from tosa_edge.errors import TosaEdgeError
from tosa_edge.nn.facts import Told
from tosa_edge.nn.weights import load_encoder, load_net, save_as_ours

CLASSES = 10
SMALL = {"depth": 4, "num_classes": CLASSES}
MODELS = {
    "vit_tiny_patch16_224": {"img_size": 64},
    "deit_tiny_patch16_224": {"img_size": 64},
    "deit_tiny_distilled_patch16_224": {"img_size": 64},
    "deit3_small_patch16_224": {"img_size": 64},
    "vit_small_patch14_dinov2": {"img_size": 70},
    "vit_small_patch14_reg4_dinov2": {"img_size": 70},
}


def refused(what, remedy, load):
    with pytest.raises(TosaEdgeError, match=what) as caught:
        load()
    assert remedy in caught.value.remedy


def of_timm(timm, name, **more):
    torch.manual_seed(0)
    return randomised(timm.create_model(name, **SMALL, **MODELS.get(name, {}), **more))


def agree(path, model, size=None, logits=lambda answer: answer, told=None):
    """In float32 with their model, both against it in double precision."""
    net = load_net(path, size, told=told)
    pixels = net.normalise(random_image(3, net.config))
    with torch.no_grad():
        features, _ = net.encoder(pixels, net.pattern)
        ours, theirs = net.head(features, pixels), logits(model(pixels))
        exact = logits(model.double()(pixels.double()))
    assert ours.shape == exact.shape == (3, CLASSES)
    assert (ours - exact).abs().max() <= 2 * (theirs - exact).abs().max() + 1e-6 * exact.abs().max()
    assert exact.std() > 0.02 * exact.abs().max()
    return net


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_timm(timm, tmp_path, name, suffix):
    model = of_timm(timm, name)
    path = tmp_path / f"{name}{suffix}"
    save_file(model.state_dict(), path) if suffix == ".safetensors" else torch.save(model.state_dict(), path)
    net = agree(path, model)
    assert (net.config.output, net.config.classes) == ("class_logits", CLASSES)
    assert (net.config.height, net.config.patch) == (
        model.patch_embed.img_size[0],
        model.patch_embed.patch_size[0],
    )


@pytest.mark.parametrize("name", ["deit_tiny_distilled_patch16_224", "deit3_small_patch16_224"])
def test_another_size_is_resampled_as_timm_does(timm, tmp_path, name):
    stored = of_timm(timm, name)
    save_file(stored.state_dict(), tmp_path / "m.safetensors")
    larger = randomised(timm.create_model(name, **SMALL, img_size=(96, 48)))
    state = timm.models.vision_transformer.checkpoint_filter_fn(
        stored.state_dict(), larger, interpolation="bicubic"
    )
    larger.load_state_dict(state)
    agree(tmp_path / "m.safetensors", larger, (96, 48))


def test_meta_names_scales_otherwise(timm, tmp_path):
    """DeiT-III as its authors publish it: wrapped, and with `gamma_1`."""
    model = of_timm(timm, "deit3_small_patch16_224")
    theirs = {
        name.replace("ls1.gamma", "gamma_1").replace("ls2.gamma", "gamma_2"): tensor
        for name, tensor in model.state_dict().items()
    }
    torch.save({"model": theirs}, tmp_path / "deit_3_small_224_1k.pth")
    net = agree(tmp_path / "deit_3_small_224_1k.pth", model)
    assert net.config.family == "a DeiT-III of Meta's"


def test_dinov2_under_a_linear_classifier(timm, tmp_path):
    """Class token and the mean of the patches side by side, as Meta's hub gives it."""
    model = of_timm(timm, "vit_small_patch14_dinov2")
    head = torch.nn.Linear(2 * 384, CLASSES)
    state = {f"backbone.{name}": t for name, t in model.state_dict().items() if not name.startswith("head.")}
    state |= {f"linear_head.{name}": tensor for name, tensor in head.state_dict().items()}
    torch.save(state, tmp_path / "lc.pth")

    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone, self.linear_head = model, head

        def forward(self, pixels):
            x = self.backbone.forward_features(pixels)
            return self.linear_head(torch.cat((x[:, 0], x[:, 1:].mean(1)), dim=1))

    agree(tmp_path / "lc.pth", Whole())


TINY = {"hidden_size": 64, "num_attention_heads": 2, "num_hidden_layers": 4, "num_labels": CLASSES}


@pytest.mark.parametrize("kind", ["ViT", "DeiT", "DeiTWithTeacher", "Dinov2", "Dinov2WithRegisters"])
@pytest.mark.parametrize("old", [True, False])
def test_transformers(tmp_path, kind, old):
    transformers = pytest.importorskip("transformers")
    teacher = kind.endswith("Teacher")
    family = kind.removesuffix("WithTeacher")
    dino = family.startswith("Dinov2")
    settings = TINY | {"image_size": 70 if dino else 64, "patch_size": 14 if dino else 16}
    settings |= {"mlp_ratio": 2} if dino else {"intermediate_size": 128}
    config = getattr(transformers, f"{family}Config")(**settings)
    model = randomised(
        getattr(transformers, f"{family}ForImageClassification{'WithTeacher' * teacher}")(config)
    )
    if old:  # as released files have their names
        model.save_pretrained(tmp_path)
    else:
        save_file({n: t.contiguous() for n, t in model.state_dict().items()}, tmp_path / "model.safetensors")
        (tmp_path / "config.json").write_text(json.dumps(config.to_dict()))
    net = agree(tmp_path / "model.safetensors", model, logits=lambda answer: answer.logits)
    assert net.config.labels == tuple(f"LABEL_{n}" for n in range(CLASSES))
    assert net.config.epsilon == config.layer_norm_eps


def test_timms_configuration_says_what_pictures_it_wants(timm, tmp_path):
    model = of_timm(timm, "vit_tiny_patch16_224")
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    about = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "crop_pct": 0.875}
    names = [f"thing {n}" for n in range(CLASSES)]
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": about, "label_names": names}))
    config = load_net(tmp_path / "model.safetensors").config
    assert (config.mean, config.std, config.crop) == ((0.5,) * 3, (0.5,) * 3, 0.875)
    assert config.labels == tuple(names)
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": {**about, "mean": [2, 0, 0]}}))
    refused("mean", "Download it again", lambda: load_net(tmp_path / "model.safetensors"))


def test_transformers_say_it_beside_the_file(timm, tmp_path):
    model = of_timm(timm, "vit_tiny_patch16_224")
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    about = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": 224, "width": 224}}
    beside = tmp_path / "preprocessor_config.json"
    beside.write_text(json.dumps(about))
    config = load_net(tmp_path / "model.safetensors").config
    assert (config.mean, config.std, config.crop) == ((0.5,) * 3, (0.5,) * 3, 1.0)
    sizes = {"do_center_crop": True, "size": {"shortest_edge": 256}, "crop_size": {"height": 224}}
    beside.write_text(json.dumps({**about, **sizes}))
    assert load_net(tmp_path / "model.safetensors").config.crop == 0.875


def test_registers_under_a_linear_classifier_of_metas(timm, tmp_path):
    model = of_timm(timm, "vit_small_patch14_reg4_dinov2")
    state = {name.replace("reg_token", "register_tokens"): t for name, t in model.state_dict().items()}
    # Their class token has its position apart.
    position = torch.cat((torch.zeros(1, 1, 384), state["pos_embed"]), dim=1)
    state = {f"backbone.{n}": t for n, t in state.items() if not n.startswith("head.")}
    state["backbone.pos_embed"] = position
    state |= {f"linear_head.{n}": t for n, t in model.head.state_dict().items()}
    torch.save(state, tmp_path / "reg4_lc.pth")
    assert agree(tmp_path / "reg4_lc.pth", model).config.registers == 4


def test_a_classifier_that_is_not_dinov2_is_no_encoder(timm, tmp_path):
    for name in ("deit_tiny_patch16_224", "deit3_small_patch16_224"):
        save_file(of_timm(timm, name).state_dict(), tmp_path / "m.safetensors")
        refused(
            "is to be DINOv2's",
            "tosa-edge export",
            lambda: load_encoder(tmp_path / "m.safetensors", (64, 64)),
        )
    dino = of_timm(timm, "vit_small_patch14_dinov2")
    save_file(dino.state_dict(), tmp_path / "m.safetensors")
    _, said = load_encoder(tmp_path / "m.safetensors", (70, 70))
    assert "which is dropped" in said


def test_ours_again_is_the_same_model(timm, tmp_path):
    model = of_timm(timm, "deit_tiny_distilled_patch16_224")
    save_file(model.state_dict(), tmp_path / "m.safetensors")
    first = load_net(tmp_path / "m.safetensors")
    save_as_ours(tmp_path / "m.safetensors", tmp_path / "ours.safetensors", "ours")
    again = load_net(tmp_path / "ours.safetensors")
    image = random_image(2, first.config)
    with torch.no_grad():
        np.testing.assert_allclose(again(image), first(image), atol=0.02)


def test_what_is_refused(timm, tmp_path):
    model = of_timm(timm, "deit_tiny_patch16_224")
    path = tmp_path / "m.safetensors"
    save_file(model.state_dict(), path)
    refused("gives no depth", "--max-depth", lambda: load_net(path, told=Told(max_depth=20)))
    state = model.state_dict()
    save_file({**state, "head.weight": torch.zeros(CLASSES, 7)}, path)
    refused("head reads 7 numbers of tokens 192 wide", "DeiT", lambda: load_net(path))
    save_file({name: t for name, t in state.items() if name != "blocks.2.attn.proj.bias"}, path)
    refused("blocks.2.attn.proj.bias is missing", "Download it again", lambda: load_net(path))
    pooled = timm.create_model("vit_tiny_patch16_224", **SMALL, global_pool="avg", fc_norm=True)
    save_file(pooled.state_dict(), path)
    refused("the mean of its patches", "DeiT", lambda: load_net(path))
