"""A linear classifier on an encoder that stays as it is."""

import numpy as np
import torch

from tests.cli.test_classifiers import labelled
from tests.nets import TINY, tiny_net
from tests.nn.test_transformers import randomised
from tosa_edge.nn.weights import load_net
from tosa_edge.training.class_head import features_of, fit_head, main, under_a_class_head


def test_a_head_tells_what_can_be_told():
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(rng.integers(0, 3, 200))
    centres = torch.from_numpy(rng.normal(0, 3, (3, 8))).float()
    features = centres[labels] + 0.5 * torch.from_numpy(rng.normal(0, 1, (200, 8))).float() + 40
    weight, bias, _ = fit_head(features, labels, 3)
    assert ((features @ weight.T + bias).argmax(1) == labels).float().mean() > 0.98


def test_a_rare_class_counts_like_any_other():
    """Two classes that lie over each other: with equal weights neither is always the answer."""
    rng = np.random.default_rng(1)
    labels = torch.tensor([0] * 190 + [1] * 10)
    features = torch.from_numpy(rng.normal(0, 1, (200, 2)) + 1.5 * labels.numpy()[:, None]).float()
    weight, bias, _ = fit_head(features, labels, 2)
    right = (features @ weight.T + bias).argmax(1) == labels
    assert right[labels == 1].float().mean() > 0.6


def test_the_head_is_fed_class_token_and_mean_of_patches():
    net = under_a_class_head(tiny_net(), ["a", "b"])
    pictures = np.random.default_rng(0).integers(0, 256, (2, TINY.height, TINY.width, 3), np.uint8)
    fed = features_of(net, pictures)
    with torch.no_grad():
        (tokens,), _ = net.encoder(net.normalise(torch.from_numpy(pictures)), net.pattern)
    torch.testing.assert_close(fed, torch.cat((tokens[:, 0], tokens[:, 1:].mean(1)), dim=1))


def test_the_program_writes_a_model_of_ours(timm, tmp_path):
    torch.manual_seed(0)
    shape = {"embed_dim": 64, "num_heads": 1, "depth": 4, "img_size": 70, "num_classes": 0}
    encoder = randomised(timm.create_model("vit_small_patch14_dinov2", **shape))
    start, out = tmp_path / "dinov2.pth", tmp_path / "classifier.safetensors"
    torch.save({**encoder.state_dict(), "mask_token": torch.zeros(1, 64)}, start)
    data = labelled(tmp_path / "data", ("ant", "bee"), each=3)
    assert main(["--start", str(start), "--data", str(data), "--size", "56x70", "-o", str(out)]) == 0
    net = load_net(out)
    assert (net.config.labels, net.config.height, net.config.head_reads) == (
        ("ant", "bee"),
        56,
        ("class", "patches"),
    )
    kept = dict(net.encoder.named_parameters())["blocks.3.mlp.fc1.weight"]
    assert torch.equal(kept, encoder.blocks[3].mlp.fc1.weight.half().float())
