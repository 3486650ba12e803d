"""What DeepStream would read: the parser is compiled against a stub of its header, and run."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from tests import tiny
from tests.exported import exported
from tests.nets import tiny_pattern
from tosa_edge.errors import TosaEdgeError
from tosa_edge.interface import Port, ports_of
from tosa_edge.package.deepstream import PARSER
from tosa_edge.package.options import Options
from tosa_edge.package.write import write_package

STUB = Path(__file__).parent / "deepstream"


@pytest.mark.parametrize("most", [4, 0])
def test_nvinfer_gets_planes_and_gives_the_same_depth(tmp_path, most):
    graph = tmp_path / "g.onnx"
    graph.write_bytes(exported(tiny_pattern(1)).SerializeToString())
    write_package("deepstream", str(graph), tmp_path / "d", Options(most=most))
    proto = onnx.load(tmp_path / "d/model.onnx")
    onnx.checker.check_model(proto)
    (image,) = ports_of(proto.graph.input)
    (depth,) = ports_of(proto.graph.output)
    _, height, width, _ = ports_of(onnx.load(graph).graph.input)[0].shape
    side = "batch" if most else 1
    assert image == Port("image", "float32", (side, 3, height, width))
    assert depth == Port("depth", "float32", (side, height, width))

    said = configparser.ConfigParser()
    said.read(tmp_path / "d/config_infer_tosa_depth.txt")
    read = said["property"]
    assert read["infer-dims"] == f"3;{height};{width}"
    assert read["batch-size"] == str(most or 1)
    assert read["output-blob-names"] == depth.name
    assert (read["net-scale-factor"], read["model-color-format"]) == ("1.0", "0")
    assert read["parse-segmentation-func-name"] == PARSER
    assert f"-o {read['custom-lib-path']}" in (tmp_path / "d/README.md").read_text()
    assert (tmp_path / "d" / read["onnx-file"]).exists()

    pictures = np.random.default_rng(2).integers(0, 256, (most or 1, height, width, 3)).astype(np.uint8)
    providers = ["CPUExecutionProvider"]
    planes = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32)
    found = onnxruntime.InferenceSession(tmp_path / "d/model.onnx", providers=providers).run(
        None, {"image": planes}
    )[0]
    alone = onnxruntime.InferenceSession(graph, providers=providers)
    for index in range(len(pictures)):
        wanted = alone.run(["depth"], {"image": pictures[index : index + 1]})[0]
        np.testing.assert_allclose(found[index], wanted[0], rtol=1e-3, atol=1e-4)


def test_what_nvinfer_cannot_feed_is_refused(tmp_path):
    reuse = tiny.save(tmp_path / "r.onnx", tiny.selective_info(form="reuse"))
    with pytest.raises(TosaEdgeError, match="wants the tokens that were kept"):
        write_package("deepstream", str(reuse), tmp_path / "d", Options())
    assert not (tmp_path / "d").exists()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> Path:
    """The parser as its own README compiles it, and a program that calls it as nvinfer does."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("there is no C++ compiler here")
    place = tmp_path_factory.mktemp("deepstream")
    write_package("deepstream", str(tiny.save(place / "m.onnx")), place / "d", Options())
    (flags,) = re.findall(r"g\+\+ (.*?)-I", (place / "d/README.md").read_text())
    common = [compiler, "-Wall", "-Wextra", "-Werror", f"-I{STUB}"]
    library = [*flags.split(), place / "d/depth_parser.cpp", "-o", place / "libtosa_depth_parser.so"]
    for words in (library, ["-std=c++14", STUB / "frame.cpp", "-o", place / "frame", "-ldl"]):
        subprocess.run([*common, *words], check=True)
    return place


def parse(compiled: Path, depth: np.ndarray, name: str = "depth") -> subprocess.CompletedProcess[bytes]:
    words = [compiled / "frame", compiled / "libtosa_depth_parser.so", PARSER, name, *map(str, depth.shape)]
    return subprocess.run(words, input=depth.tobytes(), capture_output=True)


def test_the_parser_gives_depth_and_levels_of_it(compiled):
    depth = np.random.default_rng(3).uniform(0.2, 7, (28, 42)).astype(np.float32)
    depth[3, 4], depth[0, 0], depth[1, 1] = np.nan, 0.1, 9
    done = parse(compiled, depth)
    assert done.returncode == 0, done.stderr
    levels = np.frombuffer(done.stdout, np.int32, depth.size).reshape(depth.shape)
    kept = np.frombuffer(done.stdout, np.float32, depth.size, offset=levels.nbytes).reshape(depth.shape)
    np.testing.assert_array_equal(kept, depth)
    assert (levels[0, 0], levels[1, 1], levels[3, 4]) == (0, 31, 0)
    wanted = np.floor((np.nan_to_num(depth, nan=0.1) - 0.1) * 32 / 8.9)
    assert np.abs(levels - np.minimum(wanted, 31)).max() <= 1
    assert (np.diff(levels.ravel()[np.argsort(np.nan_to_num(depth, nan=0).ravel())]) >= 0).all()
    assert not np.frombuffer(parse(compiled, np.full((2, 3), 5, np.float32)).stdout, np.int32, 6).any()


def test_the_parser_refuses_another_output(compiled):
    done = parse(compiled, np.zeros((2, 3), np.float32), name="kept")
    assert done.returncode == 1
    assert b"no float32 output `depth` of 2x3" in done.stderr
