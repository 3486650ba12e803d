import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from tests.exported import exported
from tests.nets import TINY, random_image, tiny_checkpoint
from tosa_edge.engine import TENSORRT_RTX
from tosa_edge.engine.tensorrt_builder import build_serialized_engine
from tosa_edge.export.metadata import info_of
from tosa_edge.graph import LoadedGraph
from tosa_edge.nn.tosa import Pattern
from tosa_edge.nn.weights import load_net
from tosa_edge.row_sharing import parse_ways

SPECS = (
    "pairs:1-3/2",
    "windows=0.3,0.4:1-3",
    pytest.param("quads:2-3", marks=pytest.mark.slow),
    "groups=0.2:1-3/1",
    pytest.param("fused=0.3:1-3/1", marks=pytest.mark.slow),
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.mark.parametrize("spec", SPECS)
def test_the_graph_computes_what_torch_computes(checkpoint, spec):
    pattern = Pattern(ways=parse_ways(spec))
    model = exported(pattern, batch=2)
    onnx.checker.check_model(model, full_check=True)
    image = random_image(2)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    depth, by = session.run(["depth", "represented_by"], {"image": image.numpy()})
    with torch.no_grad():
        single, expected = load_net(checkpoint, pattern=pattern)(image)
        double, _ = load_net(checkpoint, pattern=pattern).double()(image)
    assert np.array_equal(by, expected.numpy())
    error, noise = (np.sqrt(np.mean((x - double.numpy()) ** 2)) for x in (depth, single.numpy()))
    assert error <= 2 * noise + np.finfo(np.float32).eps


def test_the_contract_of_a_represented_graph():
    ways = parse_ways("pairs:1-3/2")
    model = exported(Pattern(ways=ways), batch=2)
    info = info_of(model)
    assert info.ways == ways
    assert not info.dense
    assert not info.selects
    shapes = {o.name: [d.dim_value for d in o.type.tensor_type.shape.dim] for o in model.graph.output}
    assert shapes == {"depth": [2, 56, 84], "represented_by": [2, 2, TINY.tokens]}
    # Standard operators alone, whole rows are gathered, and pairs rank nothing.
    assert {node.domain for node in model.graph.node} == {""}
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {"TopK", "GatherElements", "GatherND", "ScatterND", "NonZero"}


@pytest.mark.parametrize("precision", [pytest.param("fp32", marks=pytest.mark.slow), "fp16"])
@pytest.mark.parametrize(
    "spec", [SPECS[1], *(pytest.param(spec, marks=pytest.mark.slow) for spec in (SPECS[0], SPECS[3]))]
)
def test_tensorrt_rtx_builds_it(spec, precision):
    trt = pytest.importorskip("tensorrt_rtx")
    model = exported(Pattern(ways=parse_ways(spec)), precision=precision)
    plan = build_serialized_engine(trt, TENSORRT_RTX, LoadedGraph(model, info_of(model), "represented"))
    assert plan.settings["network.plugins"] == 0
    print(f"\n{spec} {precision}: {plan.settings['network.layers']} layers")
