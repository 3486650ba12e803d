"""Every reader of a file from elsewhere, given damaged ones: no crash, no hang, no accepted lie.

A plain loop over broken files, seeded; the readers' own tests look further with hypothesis. `-s` shows how
many inputs there were.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import onnx
import pytest

from tests import tiny
from tests.engine.samples import for_rtx, manifest, on_jetson
from tests.fuzzing import broken, limited
from tests.nets import TINY, tiny_net
from tests.test_hostile_graphs import elsewhere, in_a_branch_of_a_function, in_a_branchs_initializer
from tosa_edge.calibration.table import Table, from_calibration_cache
from tosa_edge.engine.manifest import Manifest
from tosa_edge.engine.names import parse_name
from tosa_edge.errors import TosaEdgeError
from tosa_edge.find_model import WEIGHTS
from tosa_edge.graph import graph_from_bytes
from tosa_edge.graph_info import GraphInfo
from tosa_edge.limits import PIXELS, TOKENS
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.weights import CONFIG_KEY, load_net, read_checkpoint, save_net
from tosa_edge.pictures.reading import read_picture
from tosa_edge.pictures.size import size_of
from tosa_edge.protobuf_walk import messages_of
from tosa_edge.training.datasets import tum
from tosa_edge.training.recipe import FOLDER, parse_recipe, read_recipe

PLACE = Path(".")  # where the graphs lie; each test has its own
SLOW = 2.0  # seconds of computing: the largest input is a few KB

TABLE = Table("a" * 64, "b" * 64, 8, "minmax", {"layer_norm": (-1.5, 2.0), "mul_3": (0.0, 0.25)})
CACHE = "TRT-101300-EntropyCalibration2\nlayer_norm: 3d810204\na: b: 3c000000\n"
INFO = tiny.selective_info()
NAMES = ["tosa_depth_s-g3.reuse-252x336-b4.fp16.tensorrt.sm87.engine", "m-g1-28x42-b1.int8.onnxruntime.onnx"]


def read_manifest(data: bytes) -> None:
    found = Manifest.from_json(data)
    # Accepted: then it says what the file says, no more and no less.
    assert json.loads(found.to_json()) == json.loads(data)
    assert Manifest.from_json(found.to_json().encode()) == found


def read_table(data: bytes) -> None:
    assert Table.from_json(data) == TABLE  # its digest vouches for every number


def read_cache(data: bytes) -> None:
    table = from_calibration_cache(data.decode("utf-8", "replace"), "c" * 64)
    assert Table.from_json(table.to_json()) == table


def read_info(data: bytes) -> None:
    found = GraphInfo.from_json(data.decode("utf-8", "replace"))
    assert GraphInfo.from_json(found.to_json()) == found
    assert 0 < found.tokens <= TOKENS.most
    assert found.batch * found.height * found.width <= PIXELS.most
    assert found.dense or 0 < found.kept <= found.tokens


def read_graph(data: bytes) -> None:
    """The file of an ONNX Runtime engine, had its manifest vouched for it."""
    try:
        graph = graph_from_bytes(data, PLACE / "e.onnx")
    except ValueError as error:
        raise AssertionError("a user would see a traceback") from error
    graph.info.check()
    for tensor in messages_of(graph.proto, "TensorProto"):
        assert tensor.data_location != onnx.TensorProto.EXTERNAL
        assert not tensor.external_data
    assert graph_from_bytes(graph.bytes(), PLACE / "e.onnx").info == graph.info


def read_config(data: bytes) -> None:
    found = ModelConfig.from_json(data.decode("utf-8", "replace"))
    assert ModelConfig.from_json(found.to_json()) == found
    assert 0 < found.tokens <= TOKENS.most
    assert found.dim % found.heads == 0
    assert 0 <= found.head_layers[0] <= found.head_layers[-1] < found.layers


def read_training(data: bytes) -> None:
    """A recipe."""
    (PLACE / "r.toml").write_bytes(data)
    found = read_recipe(str(PLACE / "r.toml"))
    assert parse_recipe(asdict(found)) == found
    for stage in found.stages:
        assert (PLACE / stage.name).resolve().parent == PLACE.resolve()
        assert 0 < stage.steps <= 10**7
        assert 0 <= stage.head_rate <= 10


def read_weights(data: bytes) -> None:
    """The header of a checkpoint, whose tensors are never those of its configuration."""
    path = PLACE / "c.safetensors"
    path.write_bytes(data)
    tensors, config = read_checkpoint(path)
    assert sum(t.numel() * t.element_size() for t in tensors.values()) <= len(data)
    assert config is None or ModelConfig.from_json(config.to_json()) == config
    with pytest.raises(TosaEdgeError):
        load_net(path)


def read_checkpoint_whole(data: bytes) -> None:
    """What is accepted is a model, and comes back as it was written."""
    import torch

    path, again = PLACE / "c.safetensors", PLACE / "d.safetensors"
    path.write_bytes(data)
    net = load_net(path)
    save_net(net, again)
    same = load_net(again)
    assert same.config == net.config
    assert net.state_dict().keys() == same.state_dict().keys()
    for name, tensor in net.state_dict().items():
        assert torch.isfinite(tensor).all(), name
        assert torch.equal(tensor, same.state_dict()[name]), name


def read_any_picture(data: bytes) -> None:
    """As large as it claims to be: the claim is what is held against the limit, before memory is taken."""
    path = PLACE / "p"
    path.write_bytes(data)
    picture = read_picture(path)
    claimed = size_of(data)
    assert claimed is not None
    assert sorted(picture.shape[:2]) == sorted(claimed)  # EXIF turns some on their side


def read_list(data: bytes) -> None:
    """What a data set's list of files names stays in its folder."""
    (PLACE / "rgb.txt").write_bytes(data)
    entries = tum._read_list(PLACE / "rgb.txt")
    for time_, path in entries:
        assert 0 <= time_ < 1e16
        assert ".." not in path.relative_to(PLACE).parts
    times = [time_ for time_, _ in entries]
    assert len(tum.associate(times, times)) <= len(times)


def read_name(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    found = parse_name(text)
    assert found is None or str(found) == text


def within(place: Callable[[onnx.TensorProto], onnx.ModelProto]) -> bytes:
    """A graph with one of its weights in a subgraph or a function, and that in the file beside it."""
    blob = b"....\0\0\x7f\x43"
    (PLACE / WEIGHTS).write_bytes(blob)
    made = place(elsewhere(WEIGHTS, offset="4"))
    made.metadata_props[0].value = tiny.info(weights_sha256=hashlib.sha256(blob).hexdigest()).to_json()
    return made.SerializeToString()


def some_weights() -> bytes:
    import torch
    from safetensors.torch import save

    few = {"encoder.cls_token": torch.zeros(1, 1, 4), "head.out.bias": torch.zeros(4).half()}
    return save(few, {CONFIG_KEY: TINY.to_json()})


def a_checkpoint() -> bytes:
    """Whole, and as small as one can be: most faults are in what the file says of its weights."""
    small = replace(TINY, dim=4, heads=1, layers=2, head_layers=(0, 0, 1, 1), head_dim=4, height=28, width=28)
    save_net(tiny_net(config=small), PLACE / "whole.safetensors")
    return (PLACE / "whole.safetensors").read_bytes()


def some_pictures() -> list[bytes]:
    import cv2

    picture = tiny.picture(12, 16)
    kinds = (".png", ".jpg", ".webp", ".bmp", ".tiff", ".ppm")
    return [cv2.imencode(kind, picture)[1].tobytes() for kind in kinds]


def pointing() -> bytes:
    """A graph whose weights lie in the file beside it, as those of a model folder do."""
    blob = b"".join(tensor.raw_data for tensor in tiny.model(INFO).graph.initializer)
    (PLACE / WEIGHTS).write_bytes(blob)
    made = tiny.model(replace(INFO, weights_sha256=hashlib.sha256(blob).hexdigest()))
    start = 0
    for tensor in made.graph.initializer:
        length = len(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", WEIGHTS), ("offset", start), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        start += length
    return made.SerializeToString()


READERS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "manifest": (
        read_manifest,
        lambda: [made.to_json().encode() for made in (manifest(), on_jetson(), for_rtx())],
    ),
    "table": (read_table, lambda: [TABLE.to_json().encode()]),
    "cache": (read_cache, lambda: [CACHE.encode()]),
    "info": (read_info, lambda: [INFO.to_json().encode(), tiny.info().to_json().encode()]),
    "graph": (read_graph, lambda: [tiny.model(INFO).SerializeToString(), pointing()]),
    "graph with parts": (
        read_graph,
        lambda: [within(place) for place in (in_a_branchs_initializer, in_a_branch_of_a_function)],
    ),
    "config": (read_config, lambda: [made.to_json().encode() for made in (TINY, ModelConfig())]),
    "recipe": (read_training, lambda: [path.read_bytes() for path in sorted(FOLDER.glob("*.toml"))]),
    "weights": (read_weights, lambda: [some_weights()]),
    "checkpoint": (read_checkpoint_whole, lambda: [a_checkpoint()]),
    "picture": (read_any_picture, some_pictures),
    "list": (read_list, lambda: [b"# times\n1.25 rgb/1.25.png\n2.5 rgb/2.5.png\n3.0000 c.png\n"]),
    "name": (read_name, lambda: [name.encode() for name in NAMES]),
}


SHARES = {"checkpoint": 0.1}  # a model is made of each


@pytest.mark.parametrize("name", READERS)
def test_broken_files(name, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.test_fuzz.PLACE", tmp_path)
    read, made = READERS[name]
    seeds = made()
    for seed in seeds:
        read(seed)  # as they are they are good
    inputs = accepted = 0
    slowest = 0.0
    with limited() as start:
        for data in broken(seeds, salt=len(name), share=SHARES.get(name, 1.0)):
            start()
            began = time.process_time()
            try:
                read(data)
                accepted += 1
            except (TosaEdgeError, ValueError) as error:
                for said in (error.what, error.remedy) if isinstance(error, TosaEdgeError) else (str(error),):
                    assert said, data
                    assert said.isprintable(), data
            except BaseException:
                print(f"\n{name} on {data!r}")
                raise
            inputs += 1
            slowest = max(slowest, time.process_time() - began)
    print(f"\n{name}: {inputs:,} inputs, {accepted:,} accepted, the slowest in {slowest:.3f} s")
    assert slowest < SLOW
