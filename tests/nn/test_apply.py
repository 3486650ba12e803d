"""`apply_tosa` on timm's own models, with random weights."""

import pytest
import torch

from tosa_edge.errors import TosaEdgeError
from tosa_edge.nn import apply_tosa

MODELS = {
    "vit_tiny_patch16_224": {},
    "deit_tiny_patch16_224": {},
    "deit_tiny_distilled_patch16_224": {},
    "deit3_small_patch16_224": {},
    "vit_small_patch14_dinov2": {"img_size": (70, 98)},
    "vit_small_patch14_reg4_dinov2": {"img_size": (70, 98)},
}


def made(timm, name, **more):
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=10, depth=4, **MODELS.get(name, {}), **more).eval()
    for parameter in model.parameters():  # positions and scales begin near nothing
        torch.nn.init.normal_(parameter, std=0.05) if parameter.ndim < 2 else None
    size = model.patch_embed.img_size
    return model, torch.randn(2, 3, *size)


def logits(model, images):
    with torch.no_grad():
        return model(images)


@pytest.mark.parametrize("name", MODELS)
def test_with_all_patches_kept_nothing_changes(timm, name):
    model, images = made(timm, name)
    before, names = logits(model, images), list(model.state_dict())
    assert apply_tosa(model, keep=1.0) is model
    assert list(model.state_dict()) == names
    torch.testing.assert_close(logits(model, images), before, rtol=1e-4, atol=1e-5)
    # Every patch a row of its own: the arithmetic of shared rows, and the same result.
    apply_tosa(model, ways="windows=1,0:1-3")
    torch.testing.assert_close(logits(model, images), before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_patches_are_left_out_and_no_other_token_is(timm, name):
    model, images = made(timm, name)
    before = logits(model, images)
    apply_tosa(model, keep=0.5)
    down, across = model.patch_embed.grid_size
    assert not torch.allclose(logits(model, images), before)
    assert model.blocks.found.shape == (2, 2, round(down * across / 2))
    assert model.blocks.prefix == model.num_prefix_tokens
    apply_tosa(model, ways="windows=0.2,0.4:1-3")
    assert not torch.allclose(logits(model, images), before)
    assert model.blocks.found.shape == (2, 1, down * across)
    apply_tosa(model, keep=1.0)
    torch.testing.assert_close(logits(model, images), before, rtol=1e-4, atol=1e-5)


def test_layers_that_are_skipped_never_see_what_was_not_kept(timm):
    """A patch that no selection keeps has the same features as if those layers were not there."""
    model, images = made(timm, "deit_tiny_patch16_224")
    apply_tosa(model, keep=0.25, group=3)
    with torch.no_grad():
        features = model.blocks(model.norm_pre(model._pos_embed(model.patch_embed(images))))
        first = model.blocks[0](model.norm_pre(model._pos_embed(model.patch_embed(images))))
    kept = {int(patch) for patch in model.blocks.found[0, 0]}
    for patch in range(196):
        same = torch.allclose(features[0, 1 + patch], first[0, 1 + patch], atol=1e-5)
        assert same == (patch not in kept)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"keep": 0}, "keep 0 is not a share"),
        ({"keep": 1.5}, "keep 1.5 is not a share"),
        ({"group": 4}, "group 4 is not possible"),
        ({"ways": "windows=0.2,0.4:3-11"}, "windows=0.2,0.4:3-11"),
    ],
)
def test_what_cannot_be_applied(timm, asked, told):
    model, _ = made(timm, "deit_tiny_patch16_224")
    with pytest.raises(TosaEdgeError, match=told):
        apply_tosa(model, **asked)


def test_other_transformers_are_refused_by_what_they_have(timm):
    with pytest.raises(TosaEdgeError, match="Linear has no num_prefix_tokens"):
        apply_tosa(torch.nn.Linear(2, 2))
    normed, _ = made(timm, "vit_tiny_patch16_224", qk_norm=True)
    with pytest.raises(TosaEdgeError, match=r"layer 0 of VisionTransformer has attn\.q_norm"):
        apply_tosa(normed)
    larger, _ = made(timm, "vit_tiny_patch16_224", dynamic_img_size=True)
    with pytest.raises(TosaEdgeError, match="are not the 14x14"):
        apply_tosa(larger)(torch.randn(1, 3, 256, 256))
