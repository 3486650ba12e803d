"""The attention form: what is in it, and that it computes what the portable form computes."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto

from tests.export.test_bundled import agreement
from tosa_edge.engine.load import load_graph
from tosa_edge.errors import TosaEdgeError
from tosa_edge.export.attention_form import attentions, to_attention_form
from tosa_edge.export.metadata import info_of
from tosa_edge.export.plugin_form import plugin_nodes, to_plugin_form
from tosa_edge.find_model import ASSETS, WEIGHTS, bundled_models
from tosa_edge.nn.tosa import Pattern
from tosa_edge.nn.weights import load_net
from tosa_edge.plugins import SELECTIVE_ATTENTION_FUSED


def opened(model):
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def runs_attention():
    """Skips where this ONNX Runtime has no `Attention` of opset 23 in half on a CPU."""
    body = onnx.parser.parse_graph(
        "one (float16[1,3,12] q) => (float16[1,3,12] y) "
        "{ y = Attention <q_num_heads = 2, kv_num_heads = 2> (q, q, q) }"
    )
    model = onnx.helper.make_model(body, ir_version=11, opset_imports=[onnx.helper.make_opsetid("", 23)])
    try:
        opened(model)
    except Exception as error:
        pytest.skip(f"ONNX Runtime {ort.__version__} has no Attention in half: {str(error)[:200]}")


def test_the_contract_of_the_form():
    graph = load_graph("tosa_depth_t:g3.fp16")
    before = graph.bytes()
    made = to_attention_form(graph.proto)
    onnx.checker.check_model(made, full_check=True)
    assert made.ir_version == 11
    for owner in (made, *made.functions):
        assert {o.version for o in owner.opset_import if not o.domain} == {23}
    assert attentions(made) == 6  # two standard layers, four in two runs
    assert attentions(graph.proto) == 0
    assert sorted(f.name for f in made.functions) == sorted(f.name for f in graph.proto.functions)
    assert [n.op_type for f in made.functions for n in f.node if f.name == "SelectiveAttention"] == [
        "Split",
        "Attention",
    ]
    types = {v.name: v.type.tensor_type.elem_type for v in made.graph.value_info}
    standard = [node for node in made.graph.node if node.op_type == "Attention"]
    assert len(standard) == 2
    for node in standard:
        assert {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute} == {
            "q_num_heads": 6,
            "kv_num_heads": 6,
            "scale": 0.125,
        }
        assert {types[name] for name in node.input} == {TensorProto.FLOAT16}
    assert not [node for node in made.graph.node if node.op_type == "Softmax"]
    assert info_of(made) == graph.info
    assert to_attention_form(made).SerializeToString() == made.SerializeToString()
    assert graph.bytes() == before


def test_another_attention_is_refused_in_words():
    """A graph whose attention is spelt otherwise, and one in float32."""
    model = onnx.ModelProto()
    model.CopyFrom(load_graph("tosa_depth_t:dense.fp16").proto)
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    scores = next(node for node in model.graph.node if softmax.input[0] in node.output)
    scores.op_type = "Identity"
    for wrong in (model, load_graph("tosa_depth_t:dense").proto):
        with pytest.raises(TosaEdgeError, match="not spelt as this tosa-edge spells it"):
            to_attention_form(wrong)


def test_the_function_is_attention(runs_attention):
    """SelectiveAttention's body of one operator against float64."""
    qkv = np.random.default_rng(0).normal(0, 1, (2, 9, 24)).astype(np.float16)
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("SelectiveAttention", ["x"], ["y"], domain="tosa", num_heads=2, scale=0.5)],
        "one",
        [value("x", TensorProto.FLOAT16, qkv.shape)],
        [value("y", TensorProto.FLOAT16, (2, 9, 8))],
    )
    model = onnx.helper.make_model(
        graph,
        ir_version=11,
        functions=[SELECTIVE_ATTENTION_FUSED.function],
        opset_imports=[onnx.helper.make_opsetid("", 23), onnx.helper.make_opsetid("tosa", 1)],
    )
    (found,) = opened(model).run(None, {"x": qkv})
    q, k, v = np.split(qkv.astype(np.float64).reshape(2, 9, 3, 2, 4).transpose(2, 0, 3, 1, 4), 3)
    scores = 0.5 * q[0] @ k[0].swapaxes(-1, -2)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    exact = weights / weights.sum(-1, keepdims=True) @ v[0]
    exact = exact.transpose(0, 2, 1, 3).reshape(2, 9, 8)
    assert np.abs(found - exact).max() <= 8 * np.finfo(np.float16).eps * np.abs(exact).max()


def rms(some, other):
    return float(np.sqrt(np.mean((some.astype(np.float64) - other) ** 2)))


def compare(single, half, in_torch, images, kept=None):
    """The attention form against the plain one in half, both against float32, on the tokens given.

    The rounding error is PyTorch's in half: ONNX Runtime computes most of a half graph on a CPU in float32,
    and hardly errs, but for its `Attention`, which it computes in half.
    """
    given = [{} if kept is None else {"kept": kept[i : i + 1]} for i in range(len(images))]

    def run(model):
        session = opened(model)
        return np.concatenate([
            session.run(["depth"], {"image": image[None], **more})[0]
            for image, more in zip(images, given, strict=True)
        ])  # fmt: skip

    exact, plain, fused = run(single), run(half), run(to_attention_form(half))
    noise = rms(in_torch, exact)
    print(
        f"\nerror in PyTorch {noise:.2e}, plain {rms(plain, exact):.2e}, attention form "
        f"{rms(fused, exact):.2e}; between the two {rms(fused, plain):.2e}; spread {exact.std():.2f}"
    )
    assert 0 < noise < 0.05 * exact.std()
    assert rms(fused, exact) <= 2 * noise
    assert rms(fused, plain) <= 2 * noise


def chosen(model, images):
    session = opened(model)
    return np.concatenate([session.run(["kept"], {"image": image[None]})[0] for image in images])


@pytest.fixture(scope="module")
def frames():
    """Of the bundled clip's first and last room."""
    import cv2

    capture, read = cv2.VideoCapture(str(ASSETS / "clip.webm")), []
    while (one := capture.read())[0]:
        read.append(
            cv2.cvtColor(cv2.resize(one[1], (336, 252), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
        )
    return [read[i] for i in (0, -1)]


BUNDLED = [(model, variant) for model in bundled_models() for variant in ("dense", "g1", "g3")]


@pytest.mark.parametrize(
    ("model", "variant"),
    [
        pytest.param(*one, marks=[pytest.mark.slow] if one != ("tosa_depth_t", "dense") else [])
        for one in BUNDLED
    ],
)
def test_a_bundled_model_is_the_same(runs_attention, frames, model, variant):
    """Selection and arithmetic apart: the tokens that float32 keeps are given to all of them."""
    full = [load_graph(f"{model}:{variant}{half}") for half in ("", ".fp16")]
    info = full[0].info
    if info.dense:
        kept, pair = None, full
    else:
        kept = chosen(full[0].proto, frames)
        pair = [load_graph(f"{model}:{variant}.reuse{half}") for half in ("", ".fp16")]
        fused = chosen(to_attention_form(full[1].proto), frames)
        assert agreement(fused, kept).min() >= 0.98
    compare(pair[0].proto, pair[1].proto, in_half(model, info, frames, kept), frames, kept)


def in_half(model, info, images, kept):
    pattern = Pattern(info.selective_layers, info.keep, info.query_stride, info.selector, info.spread)
    net = load_net(ASSETS / model / WEIGHTS, None, pattern).half()
    given = [None if kept is None else torch.from_numpy(kept[i : i + 1]) for i in range(len(images))]
    with torch.no_grad():
        runs = [net(torch.from_numpy(i[None]), k) for i, k in zip(images, given, strict=True)]
    return np.concatenate([(run if info.dense else run[0]).numpy() for run in runs])


def test_the_plugin_form_of_it_keeps_the_operator():
    """TensorRT with our plugin: standard layers by its own fused kernel, selective ones by ours."""
    made = to_attention_form(load_graph("tosa_depth_t:g3.fp16").proto)
    plugin = to_plugin_form(made)
    assert [node.op_type for node in plugin.graph.node].count("Attention") == 2
    assert (plugin_nodes(plugin), plugin.ir_version) == (4 + 3 * 2, 11)
    assert {o.version for o in plugin.opset_import if not o.domain} == {23}
