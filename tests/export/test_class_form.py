"""Classifiers as graphs: the same passes as for depth, another answer."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from tests.exported import exported
from tests.nets import TINY_CLASSES, random_image, tiny_checkpoint
from tosa_edge.engine import TENSORRT_RTX
from tosa_edge.engine.tensorrt_builder import build_serialized_engine
from tosa_edge.export.metadata import info_of
from tosa_edge.graph import LoadedGraph
from tosa_edge.nn.tosa import Pattern, grouped
from tosa_edge.nn.weights import load_net
from tosa_edge.row_sharing import parse_ways

PATTERNS = {
    "dense": Pattern(),
    "g1": Pattern(grouped(4, 1), 0.7, 1, "previous"),
    "windows": Pattern(ways=parse_ways("windows=0.2,0.4:1-3")),
    "groups": Pattern(ways=parse_ways("groups=0.2:1-3/1")),
    "fused": Pattern(ways=parse_ways("fused=0.3:1-3/2")),
    "lot": Pattern(grouped(4, 1), 0.5, 1, "lot"),
}


def run(model, image):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"image": image.numpy()}), strict=True))


# Merging is by what is nearest, and in half another may be.
@pytest.mark.parametrize(
    ("name", "precision"), [*((name, "fp32") for name in PATTERNS), ("g1", "fp16"), ("windows", "fp16")]
)
def test_the_graph_computes_what_torch_computes(tmp_path, name, precision):
    pattern = PATTERNS[name]
    checkpoint = tiny_checkpoint(tmp_path, TINY_CLASSES)
    model = exported(pattern, TINY_CLASSES, batch=2, precision=precision)
    onnx.checker.check_model(model, full_check=True)
    image = random_image(2, TINY_CLASSES)
    found = run(model, image)
    ours = load_net(checkpoint, pattern=pattern)
    with torch.no_grad():
        single = (ours.half() if precision == "fp16" else ours)(image)
        double = load_net(checkpoint, pattern=pattern).double()(image)
    if name != "dense":
        tokens = found["kept"] if pattern.layers else found["represented_by"]
        (single, chosen), (double, _) = single, double
        if pattern.layers:
            tokens, chosen = np.sort(tokens), np.sort(chosen.numpy())
        assert np.array_equal(tokens, np.asarray(chosen))
    logits = found["logits"]
    assert logits.dtype == np.float32
    error, noise = (np.sqrt(np.mean((x - double.numpy()) ** 2)) for x in (logits, single.float().numpy()))
    assert error <= 2 * noise + np.finfo(np.float32).eps * np.abs(logits).max()
    assert logits.std() > 0.1


def test_the_graph_says_what_it_answers():
    info = info_of(exported(PATTERNS["g1"], TINY_CLASSES, batch=2))
    assert (info.answer, info.classes, info.labels) == ("logits", 7, TINY_CLASSES.labels)
    assert (info.output, info.crop) == ("class_logits", 0.9)
    again = type(info).from_json(info.to_json())
    assert again == info


@pytest.mark.parametrize(
    ("name", "precision"), [("windows", "fp16"), *((n, "fp32") for n in ("dense", "g1", "groups", "fused"))]
)
def test_tensorrt_rtx_builds_it(name, precision):
    trt = pytest.importorskip("tensorrt_rtx")
    model = exported(PATTERNS[name], TINY_CLASSES, batch=2, precision=precision)
    plan = build_serialized_engine(trt, TENSORRT_RTX, LoadedGraph(model, info_of(model), "classes"))
    assert plan.settings["network.plugins"] == 0
