"""Each operator three ways: the ONNX body in ONNX Runtime, PyTorch, and the NumPy reference in float64.

The reference in float64 is the truth; the body may be at most twice as far from it as PyTorch is.
"""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tests.accuracy import assert_as_good_as_torch, largest_score
from tosa_edge.nn import tosa
from tosa_edge.plugins import (
    DOMAIN,
    OPSET,
    SELECTIVE_ATTENTION,
    TOKEN_GATHER,
    TOKEN_IMPORTANCE,
    TOKEN_IMPORTANCE_PREVIOUS,
    TOKEN_SCATTER,
    VERSION,
)
from tosa_edge.plugins.selective_attention.reference import selective_attention
from tosa_edge.plugins.token_gather.reference import check_index, token_gather
from tosa_edge.plugins.token_importance.reference import token_importance
from tosa_edge.plugins.token_scatter.reference import token_scatter

FLOATS = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.float16): TensorProto.FLOAT16}


def run_body(operator, inputs, attributes):
    """A graph of one node, run by ONNX Runtime through the operator's function body."""
    kinds = FLOATS | {np.dtype(np.int32): TensorProto.INT32}
    half = kinds[inputs[0].dtype]
    outputs = [
        helper.make_tensor_value_info(
            name, TensorProto.FLOAT if name in operator.float32_outputs else half, shape
        )
        for name, shape in zip(operator.outputs, operator.shapes(*(a.shape for a in inputs)), strict=True)
    ]
    node = helper.make_node(operator.name, operator.inputs, operator.outputs, domain=DOMAIN, **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [
            helper.make_tensor_value_info(n, kinds[a.dtype], a.shape)
            for n, a in zip(operator.inputs, inputs, strict=True)
        ],
        outputs,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, VERSION)]
    model = helper.make_model(graph, opset_imports=opsets, functions=[operator.function], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip(operator.inputs, inputs, strict=True)))


def compare(operator, reference, torch_form, arrays, attributes, dtype):
    inputs = [a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays]
    exact = reference(*[a.astype(np.float64) if a.dtype.kind == "f" else a for a in inputs], **attributes)
    theirs = torch_form(*map(torch.from_numpy, inputs), **attributes)
    theirs, exact = (x if isinstance(x, tuple) else (x,) for x in (theirs, exact))
    assert_as_good_as_torch(run_body(operator, inputs, attributes), [t.numpy() for t in theirs], exact)


def random_index(rng, batch, tokens, kept):
    return np.stack([np.sort(rng.permutation(tokens)[:kept]) for _ in range(batch)]).astype(np.int32)


@st.composite
def sizes(draw):
    tokens = draw(st.integers(1, 70))
    return {
        "batch": draw(st.integers(1, 3)),
        "tokens": tokens,
        "kept": draw(st.integers(1, tokens)),
        "heads": draw(st.integers(1, 4)),
        "head_dim": draw(st.sampled_from([4, 32, 64])),
        "rng": np.random.default_rng(draw(st.integers(0, 10**6))),
        "dtype": draw(st.sampled_from([np.float32, np.float16])),
    }


@given(sizes(), st.sampled_from([1, 3, 8, 32]), st.booleans())
@settings(max_examples=25, deadline=None)
def test_importance(s, stride, learned):
    rng, heads = s["rng"], s["heads"]
    arrays = [rng.normal(size=(s["batch"], s["tokens"], 3 * heads * s["head_dim"]))]
    if learned:
        arrays += [
            rng.normal(size=(2 * heads, heads)),
            rng.normal(size=2 * heads),
            rng.normal(size=(heads, 2 * heads)),
        ]
    attributes = {"num_heads": heads, "query_stride": stride, "scale": s["head_dim"] ** -0.5}
    operator = TOKEN_IMPORTANCE if learned else TOKEN_IMPORTANCE_PREVIOUS
    torch_form = tosa.learned_importance if learned else tosa.previous_importance
    compare(operator, token_importance, torch_form, arrays, attributes, s["dtype"])


@given(sizes())
@settings(max_examples=25, deadline=None)
def test_gather(s):
    rng, dim = s["rng"], s["heads"] * s["head_dim"]
    x = rng.normal(size=(s["batch"], s["tokens"], dim))
    arrays = [
        x,
        random_index(rng, s["batch"], s["tokens"], s["kept"]),
        rng.normal(size=dim),
        rng.normal(size=dim),
    ]
    compare(TOKEN_GATHER, token_gather, tosa.gather_tokens, arrays, {"epsilon": 1e-6}, s["dtype"])
    rows = run_body(
        TOKEN_GATHER, [a.astype(np.float32) if a.dtype.kind == "f" else a for a in arrays], {"epsilon": 1e-6}
    )[0]
    assert np.array_equal(rows, np.take_along_axis(x.astype(np.float32), arrays[1][:, :, None], 1))


@given(sizes())
@settings(max_examples=25, deadline=None)
def test_attention(s):
    qkv = s["rng"].normal(size=(s["batch"], s["kept"], 3 * s["heads"] * s["head_dim"]))
    attributes = {"num_heads": s["heads"], "scale": s["head_dim"] ** -0.5}
    compare(SELECTIVE_ATTENTION, selective_attention, tosa.selective_attention, [qkv], attributes, s["dtype"])


@given(sizes())
@settings(max_examples=25, deadline=None)
def test_scatter(s):
    rng, dim, batch, kept = s["rng"], s["heads"] * s["head_dim"], s["batch"], s["kept"]
    x = rng.normal(size=(batch, s["tokens"], dim))
    rows, update = rng.normal(size=(2, batch, kept, dim))
    index = random_index(rng, batch, s["tokens"], kept)
    arrays = [x, index, rows, update, rng.normal(size=dim)]
    compare(TOKEN_SCATTER, token_scatter, tosa.scatter_tokens, arrays, {}, s["dtype"])
    out = run_body(TOKEN_SCATTER, [a.astype(s["dtype"]) if a.dtype.kind == "f" else a for a in arrays], {})[0]
    bypassed = np.ones(x.shape[:2], bool)
    np.put_along_axis(bypassed, index, False, axis=1)
    assert np.array_equal(out[bypassed], x.astype(s["dtype"])[bypassed])


@pytest.mark.parametrize(
    ("qkv", "why"),
    [
        (np.full((1, 9, 24), 300.0), "huge scores, all equal"),
        (np.zeros((1, 9, 24)), "no score at all"),
        (np.full((1, 9, 24), 1e-38), "denormal products"),
        (np.linspace(-200, 200, 216).reshape(1, 9, 24), "one token takes everything"),
    ],
)
def test_inputs_that_hurt_give_numbers(qkv, why):
    attributes = {"num_heads": 2, "scale": 0.5}
    compare(SELECTIVE_ATTENTION, selective_attention, tosa.selective_attention, [qkv], attributes, np.float32)
    attributes["query_stride"] = 2
    exact = token_importance(qkv, **attributes)
    assert np.isfinite(exact).all()
    np.testing.assert_allclose(exact.sum(), 2 * 5)
    compare(
        TOKEN_IMPORTANCE_PREVIOUS, token_importance, tosa.previous_importance, [qkv], attributes, np.float32
    )


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ([[0, 9]], "of 9 tokens"),  # one past the end
        ([[-1, 3]], "of 9 tokens"),  # counted from the end
        ([[3, 3]], "ascending"),  # twice the same
        ([[4, 2]], "ascending"),  # unsorted
        ([3, 4], "whole numbers"),  # no batch
        ([[0.0, 1.0]], "whole numbers"),  # no integers
    ],
)
def test_the_references_refuse_bad_indices(index, says):
    with pytest.raises(ValueError, match=says):
        check_index(np.array(index), 9)
    x, d = np.zeros((1, 9, 4)), np.zeros(4)
    with pytest.raises(ValueError, match=says):
        token_gather(x, np.array(index), d, d, epsilon=1e-6)
    with pytest.raises(ValueError, match=says):
        token_scatter(x, np.array(index), np.zeros((1, 2, 4)), np.zeros((1, 2, 4)), d)


def test_the_references_refuse_widths_that_do_not_split():
    with pytest.raises(ValueError, match="heads"):
        selective_attention(np.zeros((1, 2, 20)), num_heads=3, scale=1.0)
    with pytest.raises(ValueError, match="query_stride"):
        token_importance(np.zeros((1, 2, 24)), num_heads=2, query_stride=0, scale=1.0)


@pytest.mark.parametrize("learned", [False, True])
def test_the_floor_of_importance_does_not_hide_scores_in_less_than_float32(learned):
    rng = np.random.default_rng(0)
    shapes = [(1, 60, 3 * 128)] + ([(4, 2), (4,), (2, 4)] if learned else [])
    tensors = [torch.from_numpy(rng.normal(size=shape).astype(np.float32)) for shape in shapes]
    attributes = {"num_heads": 2, "query_stride": 1, "scale": 0.125}
    exact = token_importance(*(t.double().numpy() for t in tensors), **attributes)
    # TF32, what a GPU's matrix units make of float32 when they are let: 13 of 23 bits are cut off.
    cut = tensors[0].view(torch.int32).bitwise_and(~0x1FFF).view(torch.float32)
    floor = largest_score(*tensors, **attributes)
    form = tosa.learned_importance if learned else tosa.previous_importance
    right, wrong = (form.__wrapped__(q, *tensors[1:], **attributes).numpy() for q in (tensors[0], cut))
    assert_as_good_as_torch([right], [right], [exact], floor)
    with pytest.raises(AssertionError):
        assert_as_good_as_torch([wrong], [right], [exact], floor)
