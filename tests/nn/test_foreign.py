"""Whose a checkpoint is, what is assumed of it, and what is refused: before PyTorch reads a byte of it."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.nn import official
from tosa_edge.errors import TosaEdgeError
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.examine import examine
from tosa_edge.nn.facts import Told, gather_facts, official_taps
from tosa_edge.nn.foreign import encoder_of
from tosa_edge.nn.stored import open_checkpoint
from tosa_edge.nn.weights import load_net

MARKS = {
    "Depth Anything 3": ["model.backbone.pretrained.camera_token", "model.head.scratch.layer1_rn.weight"],
    "Depth Anything 3 (METRIC or MONO)": ["model.head.scratch.sky_output_conv2.0.weight"],
    "DINOv3": ["storage_tokens", "rope_embed.periods", "blocks.0.attn.qkv.weight", "blocks.0.ls1.gamma"],
    "DINOv3 in transformers' layout": ["layer.0.attention.q_proj.weight", "embeddings.cls_token"],
    "DINOv2 with a SwiGLU encoder": ["pos_embed", "blocks.0.mlp.w12.weight", "blocks.0.ls1.gamma"],
    "Depth Anything with a SwiGLU encoder": [
        "pretrained.blocks.0.mlp.w12.weight",
        "depth_head.scratch.refinenet1.out_conv.weight",
    ],
    "a depth head of Meta's for DINOv2": ["decode_head.conv_depth.head.0.weight"],
    "an encoder with registers in timm's layout": ["reg_token", "blocks.0.attn.qkv.weight"],
    "a DeiT with a distillation token": ["dist_token", "blocks.0.attn.qkv.weight"],
    "a DeiT-III of Meta's": ["blocks.0.gamma_1", "blocks.0.attn.qkv.weight", "pos_embed"],
    "a plain vision transformer": ["pos_embed", "blocks.0.attn.qkv.weight"],
    "no model of tosa-edge's: 1 tensors whose names are not known": ["x"],
}


def saved(folder: Path, tensors, name: str = "x.safetensors") -> Path:
    save_file(tensors, folder / name)
    return folder / name


@pytest.mark.parametrize("words", MARKS)
def test_what_is_not_read_is_called_by_its_family(tmp_path, words):
    path = saved(tmp_path, {name: torch.zeros(1) for name in MARKS[words]})
    for read in (examine, lambda p: encoder_of(open_checkpoint(p), (28, 28))):
        with pytest.raises(TosaEdgeError) as told:
            read(path)
        assert words in told.value.what
        assert "are read" in told.value.remedy


def test_an_encoder_alone_is_no_model_but_a_start(tmp_path):
    path = saved(tmp_path, official.encoder())
    with pytest.raises(TosaEdgeError, match="DINOv2, without a depth head") as told:
        examine(path)
    assert f"--start {path}" in told.value.remedy


def test_a_vision_transformer_of_patches_alone_is_no_dinov2(tmp_path):
    tensors = official.encoder()
    tensors["pos_embed"] = tensors["pos_embed"][:, 1:].contiguous()
    with pytest.raises(TosaEdgeError, match="a DeiT-III"):
        examine(saved(tmp_path, tensors))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"pretrained.norm.bias": None},
            "Depth Anything V2 128 wide differs: pretrained.norm.bias is missing",
        ),
        ({"depth_head.scratch.layer2_rn.weight": None}, "depth_head.scratch.layer2_rn.weight is missing"),
        (
            {"depth_head.scratch.output_conv1.weight": None},
            "it has no depth_head.scratch.output_conv1.weight",
        ),
        (
            {"pretrained.blocks.3.ls1.gamma": torch.zeros(3)},
            "pretrained.blocks.3.ls1.gamma is [3] and not [128]",
        ),
        (
            {"pretrained.norm.bias": torch.zeros(128, dtype=torch.int32)},
            "norm.bias is 'int32' and no fraction",
        ),
        ({"pretrained.more": torch.zeros(1)}, "pretrained.more is not known"),
        ({f"more.{i}": torch.zeros(1) for i in range(5)}, "more.0, more.1, more.2 and 2 more are not known"),
        ({"pretrained.cls_token": torch.zeros(1, 1, 100)}, "it is 100 wide"),
        ({"pretrained.cls_token": torch.zeros(1, 1, 0)}, "pretrained.cls_token is [1, 1, 0]"),
        ({"pretrained.pos_embed": torch.zeros(1, 8, 128)}, "8 places is not of a square picture"),
        ({"pretrained.blocks.9999.norm1.weight": torch.zeros(1)}, "blocks up to number 9999"),
        ({"pretrained.blocks.0.0.norm1.weight": torch.zeros(1)}, "blocks of two chunks have the same number"),
        (
            {"depth_head.projects.0.weight": torch.zeros(1)},
            "projects.0.weight is [1], which no such model has",
        ),
        ({"pretrained.patch_embed.proj.weight": torch.zeros(())}, "patch_embed.proj.weight is []"),
    ],
)
def test_a_file_that_is_not_whole_is_refused_by_its_keys(tmp_path, changes, told):
    tensors = {n: t for n, t in {**official.depth_anything(), **changes}.items() if t is not None}
    with pytest.raises(TosaEdgeError) as error:
        examine(saved(tmp_path, tensors))
    assert told in error.value.what
    assert "\n" not in error.value.what + error.value.remedy


def test_the_nearest_family_is_named(tmp_path):
    tensors = official.depth_anything()
    for name in [n for n in tensors if "refinenet" in n or n.endswith("attn.qkv.weight")]:
        del tensors[name]
    with pytest.raises(
        TosaEdgeError, match=r"nearest to DINOv2; it differs: pretrained\.blocks\.0\.attn\.qkv"
    ):
        examine(saved(tmp_path, tensors | {"other": torch.zeros(1)}))


@pytest.mark.parametrize(
    ("name", "family", "max_depth"),
    [
        ("depth_anything_v2_vits.pth", "Depth Anything V2 (by its name)", 0),
        ("depth_anything_v2_metric_hypersim_vitb.pth", "Depth Anything V2 (by its name)", 20),
        ("depth_anything_v2_metric_vkitti_vitl.pth", "Depth Anything V2 (by its name)", 80),
        ("depth_anything_vits14.pth", "Depth Anything V1 (by its name)", 0),
        (
            "Depth-Anything-V2-Metric-Outdoor-Small-hf/model.safetensors",
            "Depth Anything V2 (by its name)",
            80,
        ),
        ("depth-anything-large-hf/model.safetensors", "Depth Anything V1 (by its name)", 0),
        ("Distill-Any-Depth-Small/model.safetensors", "Distill-Any-Depth (by its name)", 0),
        ("metric/weights.pth", "Depth Anything V2 (assumed)", 0),
    ],
)
def test_what_a_name_tells(tmp_path, name, family, max_depth):
    facts = gather_facts(tmp_path / name, 12, Told())
    assert facts.said.startswith(family)
    assert facts.max_depth == max_depth
    assert facts.taps == ((8, 9, 10, 11) if "V1" in family else (2, 5, 8, 11))


def test_a_flag_goes_before_a_configuration_and_that_before_a_name(tmp_path):
    path = tmp_path / "depth_anything_v2_metric_hypersim_vitl.pth"
    config = {
        "model_type": "depth_anything",
        "depth_estimation_type": "metric",
        "max_depth": 80,
        "backbone_config": {
            "out_indices": [21, 22, 23, 24],
            "num_attention_heads": 16,
            "layer_norm_eps": 1e-5,
        },
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    facts = gather_facts(path, 24, Told())
    assert facts.said == "Depth Anything V1 (by config.json), metric to 80 m (by config.json)"
    assert (facts.taps, facts.heads, facts.epsilon) == ((20, 21, 22, 23), 16, 1e-5)
    facts = gather_facts(path, 24, Told("depth-anything-v2", 0.0))
    assert facts.said == "Depth Anything V2 (as told), relative inverse depth (as told)"
    assert facts.taps == official_taps("depth-anything-v2", 24) == (4, 11, 17, 23)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')  # of something else
    assert gather_facts(path, 24, Told()).max_depth == 20


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 5000, "nested too deeply"),
        ('{"model_type": "depth_anything", "reassemble_factors": [1, 1, 1, 1]}', "reassemble_factors"),
        ('{"model_type": "depth_anything", "backbone_config": {"num_attention_heads": -1}}', "heads is '-1'"),
        (
            '{"model_type": "depth_anything", "backbone_config": {"num_attention_heads": 3}}',
            "cannot be shared",
        ),
        ('{"model_type": "depth_anything", "backbone_config": {"out_indices": [1, 2]}}', "head_layers"),
        ('{"model_type": "depth_anything", "backbone_config": {"out_indices": [0, 1, 2, 3]}}', "head_layers"),
        (
            '{"model_type": "depth_anything", "depth_estimation_type": "metric", "max_depth": 1e5}',
            "max_depth",
        ),
    ],
)
def test_a_configuration_that_no_model_has(tmp_path, text, told):
    path = saved(tmp_path, official.depth_anything())
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(TosaEdgeError, match=told):
        examine(path)


class Evil:
    """Unpickling it runs a command."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (exec, (f"open({self.path!r}, 'w').write('ran')",))


@pytest.mark.parametrize("how", ["in an archive", "bare", "among weights"])
def test_a_malicious_pickle_runs_nothing_and_is_refused(tmp_path, how):
    proof, path = tmp_path / "proof", tmp_path / "depth_anything_v2_vits.pth"
    evil = Evil(proof)
    if how == "bare":
        path.write_bytes(pickle.dumps(evil))
    else:
        torch.save(official.depth_anything() | {"x": evil} if how == "among weights" else evil, path)
    with pytest.raises(TosaEdgeError) as told:
        load_net(path)
    assert "pickle" in told.value.what
    assert not proof.exists()
    if how != "bare":  # the file does what is said of it
        torch.load(path, weights_only=False)
        assert proof.read_text() == "ran"


def repacked(path: Path, change) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        change(archive, members)


def compress(archive, members):
    for name, data in members.items():
        archive.writestr(name, data, zipfile.ZIP_DEFLATED)


def drop_a_tensor(archive, members):
    for name, data in members.items():
        if not name.endswith("/data/3"):
            archive.writestr(name, data)


def cut_the_pickle(archive, members):
    for name, data in members.items():
        archive.writestr(name, data[:200] if name.endswith("data.pkl") else data)


@pytest.mark.parametrize("change", [compress, drop_a_tensor, cut_the_pickle])
def test_a_damaged_archive_is_refused(tmp_path, change):
    path = tmp_path / "x.pth"
    torch.save(official.depth_anything(), path)
    repacked(path, change)
    with pytest.raises(TosaEdgeError) as told:
        load_net(path)
    assert "\n" not in told.value.what


def test_a_tensor_larger_than_its_file_is_refused(tmp_path):
    big = torch.zeros(1).expand(1 << 20, 1 << 20)
    torch.save({"pretrained.x": big}, tmp_path / "x.pth")
    with pytest.raises(TosaEdgeError, match=r"'pretrained\.x' is larger than the file"):
        load_net(tmp_path / "x.pth")


@pytest.mark.parametrize("wrapper", ["model", "state_dict"])
def test_a_training_checkpoint_holds_the_model_under_a_name(tmp_path, wrapper):
    path = tmp_path / "x.pth"
    torch.save({wrapper: official.depth_anything(), "epoch": 3, "optimizer": {"state": {}}}, path)
    assert examine(path).model.dim == 128
    torch.save([torch.zeros(1)], path)
    with pytest.raises(TosaEdgeError, match="no table of tensors"):
        examine(path)


def test_a_safetensors_file_is_recognised_and_refused_without_pytorch(tmp_path):
    good = saved(tmp_path, official.depth_anything(), "depth_anything_v2_vits.safetensors")
    tensors = official.depth_anything()
    del tensors["pretrained.norm.bias"]
    bad = saved(tmp_path, tensors, "partial.safetensors")
    code = f"""
import sys
from tosa_edge.errors import TosaEdgeError
from tosa_edge.nn.examine import examine
print(examine({str(good)!r}).foreign.said)
try:
    examine({str(bad)!r})
except TosaEdgeError as error:
    print(error.what)
print(sorted(set(sys.modules) & {{"torch", "numpy", "safetensors"}}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said, refused, heavy = done.stdout.splitlines()
    assert said.endswith("Depth Anything V2 128 wide (by its name), relative inverse depth (by its name)")
    assert "pretrained.norm.bias is missing" in refused
    assert heavy == "[]"


def test_what_the_head_reads_stays_standard():
    v2 = {"head": "dpt", "head_channels": (1, 1, 1, 1), "head_layers": (2, 5, 8, 11)}
    assert ModelConfig(**v2).selective_layers(1) == (1, 3, 6, 9)
    assert ModelConfig(**v2).selective_layers(3) == (1, 3, 4, 6, 7, 9, 10)
    v1 = ModelConfig(**{**v2, "head_layers": (8, 9, 10, 11)})
    assert v1.selective_layers(3) == (1, 2, 3, 5, 6, 7)
    assert ModelConfig().selective_layers(1) == (1, 3, 5, 7, 9, 11)
    assert ModelConfig().selective_layers(3) == (1, 2, 3, 5, 6, 7, 9, 10, 11)


def test_flags_that_say_what_cannot_be(tmp_path):
    with pytest.raises(TosaEdgeError, match="--family midas is not known"):
        Told("midas")
    for number in (-1.0, float("nan"), float("inf")):
        with pytest.raises(TosaEdgeError, match=re.escape(f"--max-depth {number:g} is no range")):
            Told(max_depth=number)
