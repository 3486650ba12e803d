"""Every kernel in Triton's interpreter, through the operator that PyTorch calls; `test_kernels.py` runs this.

Three results: the kernel's, PyTorch's in the same precision, and the NumPy reference in float64. The kernel
may be at most twice as far from the last as PyTorch is (`tests/accuracy.py`).
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.accuracy import assert_as_good_as_torch, largest_score
from tests.plugins.test_operators import random_index
from tosa_edge.nn import operators, tosa
from tosa_edge.plugins import (
    SELECTIVE_ATTENTION,
    TOKEN_GATHER,
    TOKEN_IMPORTANCE,
    TOKEN_IMPORTANCE_PREVIOUS,
    TOKEN_SCATTER,
    launch,
)
from tosa_edge.plugins.selective_attention.reference import selective_attention
from tosa_edge.plugins.token_gather.reference import token_gather
from tosa_edge.plugins.token_importance.reference import token_importance
from tosa_edge.plugins.token_scatter.reference import token_scatter

REFERENCES = {
    tosa.learned_importance: (TOKEN_IMPORTANCE, token_importance),
    tosa.previous_importance: (TOKEN_IMPORTANCE_PREVIOUS, token_importance),
    tosa.gather_tokens: (TOKEN_GATHER, token_gather),
    tosa.selective_attention: (SELECTIVE_ATTENTION, selective_attention),
    tosa.scatter_tokens: (TOKEN_SCATTER, token_scatter),
}


@pytest.fixture(autouse=True, scope="module")
def interpreter():
    """Sends tensors on the CPU through the kernels."""
    before, operators.KERNEL_DEVICES = operators.KERNEL_DEVICES, {"cpu"}
    yield
    operators.KERNEL_DEVICES = before


def run(form, arrays, attributes, dtype):
    """What the kernel, PyTorch and the float64 reference make of the same arrays."""
    operator, reference = REFERENCES[form]
    inputs = [a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays]
    tensors = tuple(map(torch.from_numpy, inputs))
    assert operators.has_kernel(operator, tensors, attributes)
    with np.errstate(all="ignore"):
        exact = reference(*[a.astype(np.float64) if a.dtype.kind == "f" else a for a in inputs], **attributes)
    results = form(*tensors, **attributes), form.__wrapped__(*tensors, **attributes), exact
    return [[np.asarray(x) for x in (r if isinstance(r, tuple) else (r,))] for r in results]


def compare(form, arrays, attributes, dtype):
    ours, theirs, exact = run(form, arrays, attributes, dtype)
    assert_as_good_as_torch(ours, theirs, exact, last_places(form, arrays, attributes, dtype))
    return ours


def last_places(form, arrays, attributes, dtype):
    """The floor of an operator's error."""
    if form not in (tosa.learned_importance, tosa.previous_importance):
        return 1.0
    return largest_score(*(torch.from_numpy(a.astype(dtype)) for a in arrays), **attributes)


def map_inputs(rng, batch, tokens, heads, head_dim, learned):
    arrays = [rng.normal(size=(batch, tokens, 3 * heads * head_dim))]
    if learned:
        hidden = 2 * heads
        arrays += [rng.normal(size=shape) for shape in ((hidden, heads), (hidden,), (heads, hidden))]
    return arrays


def check_importance(rng, batch, tokens, heads, head_dim, learned, stride, dtype):
    form = tosa.learned_importance if learned else tosa.previous_importance
    attributes = {"num_heads": heads, "query_stride": stride, "scale": head_dim**-0.5}
    compare(form, map_inputs(rng, batch, tokens, heads, head_dim, learned), attributes, dtype)


def check_attention(rng, batch, kept, heads, head_dim, dtype):
    attributes = {"num_heads": heads, "scale": head_dim**-0.5}
    compare(tosa.selective_attention, map_inputs(rng, batch, kept, heads, head_dim, False), attributes, dtype)


def check_rows(rng, batch, tokens, kept, width, dtype):
    """Gather and scatter: whatever is only moved arrives to the bit."""
    x, index = rng.normal(size=(batch, tokens, width)), random_index(rng, batch, tokens, kept)
    weight, bias, gamma = rng.normal(size=(3, width))
    rows, _ = compare(tosa.gather_tokens, [x, index, weight, bias], {"epsilon": 1e-6}, dtype)
    assert np.array_equal(rows, np.take_along_axis(x.astype(dtype), index[:, :, None], 1))
    update = rng.normal(size=rows.shape)
    moved = [a.astype(dtype) if a.dtype.kind == "f" else a for a in (x, index, rows, update, gamma)]
    out, theirs, _ = (r[0] for r in run(tosa.scatter_tokens, moved, {}, dtype))
    assert np.array_equal(out, theirs)
    tensors = dict(zip(TOKEN_SCATTER.inputs, map(torch.from_numpy, moved), strict=True))
    sizes = {"batch": batch, "tokens": tokens, "kept": kept}
    for step in launch.scatter(width, in_place=True):  # where the host lets `out` be `x`
        step.run({**tensors, "out": tensors["x"], **sizes}, sizes)
    assert np.array_equal(moved[0], out)


@st.composite
def sizes(draw):
    tokens = draw(st.integers(1, 80))
    return {
        "batch": draw(st.integers(1, 3)),
        "tokens": tokens,
        "kept": draw(st.integers(1, tokens)),
        "heads": draw(st.integers(1, 3)),
        "head_dim": draw(st.sampled_from(launch.HEAD_DIMS)),
        "rng": np.random.default_rng(draw(st.integers(0, 10**6))),
        "dtype": draw(st.sampled_from([np.float32, np.float16])),
    }


@given(sizes(), st.sampled_from([1, 3, 8, 32]), st.booleans())
@settings(max_examples=5, deadline=None)
def test_importance(s, stride, learned):
    check_importance(
        s["rng"], s["batch"], s["tokens"], s["heads"], s["head_dim"], learned, stride, s["dtype"]
    )


@given(sizes())
@settings(max_examples=5, deadline=None)
def test_attention(s):
    check_attention(s["rng"], s["batch"], s["kept"], s["heads"], s["head_dim"], s["dtype"])


@pytest.mark.slow
@given(sizes())
@settings(max_examples=5, deadline=None)
def test_rows(s):
    check_rows(s["rng"], s["batch"], s["tokens"], s["kept"], s["heads"] * s["head_dim"], s["dtype"])


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(
    ("tokens", "kept", "batch", "heads", "head_dim", "stride"),
    [
        (1, 1, 1, 1, 64, 1),  # nothing to choose from
        (130, 65, 1, 1, 64, 8),  # one head, one token more than any block
        pytest.param(90, 45, 1, 2, 32, 1, marks=pytest.mark.slow),  # N a multiple of no block, every query
        pytest.param(64, 64, 2, 2, 64, 32, marks=pytest.mark.slow),  # K = N, exactly one block, a batch
        (77, 1, 1, 3, 32, 32),  # K = 1, fewer queries than a block
    ],
)
def test_sizes_that_matter(tokens, kept, batch, heads, head_dim, stride, dtype):
    rng = np.random.default_rng(0)
    check_attention(rng, batch, kept, heads, head_dim, dtype)
    check_rows(rng, batch, tokens, kept, heads * head_dim, dtype)
    check_importance(rng, batch, tokens, heads, head_dim, True, stride, dtype)
    if dtype is np.float32:
        check_importance(rng, batch, tokens, heads, head_dim, False, stride, dtype)


def hurtful(case):
    rng = np.random.default_rng(1)
    qkv = rng.normal(size=(1, 70, 192))
    if case == "huge logits":
        qkv[..., :128] *= 100
    elif case == "huge and equal scores":
        qkv[..., :128] = 30.0
    elif case == "equal tokens":
        qkv[:] = qkv[:, :1]
    elif case == "denormals":
        qkv *= 1e-39
    elif case == "keys that count for nothing":  # a whole block of them, and some more
        qkv[..., 0] = np.abs(qkv[..., 0])
        qkv[:, :66, 64] = -np.inf
    elif case == "no key counts":
        qkv[..., 0] = np.abs(qkv[..., 0])
        qkv[..., 64] = -np.inf
    return qkv


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(
    "case",
    [
        "huge logits",
        "huge and equal scores",
        "equal tokens",
        "denormals",
        "keys that count for nothing",
        "no key counts",
    ],
)
def test_inputs_that_hurt(case, dtype):
    """Numbers where PyTorch has numbers, NaN where it has NaN, and as near to the truth."""
    attributes = {"num_heads": 1, "scale": 0.125}
    for form, more in ((tosa.selective_attention, {}), (tosa.previous_importance, {"query_stride": 8})):
        given = form, [hurtful(case)], attributes | more, dtype
        ours, theirs, exact = run(*given)
        assert np.array_equal(np.isnan(ours), np.isnan(theirs))
        assert np.isnan(ours).all() == (case == "no key counts")
        if case != "no key counts":
            assert_as_good_as_torch(ours, theirs, exact, last_places(*given))


def test_rows_of_equal_or_tiny_numbers_are_normalised_as_pytorch_does():
    rng = np.random.default_rng(2)
    x = np.concatenate((np.ones((1, 4, 96)), rng.normal(size=(1, 4, 96)) * 1e-39), axis=1)
    index, weight, bias = random_index(rng, 1, 8, 8), rng.normal(size=96), rng.normal(size=96)
    compare(tosa.gather_tokens, [x, index, weight, bias], {"epsilon": 1e-6}, np.float32)


def test_attention_in_half_survives_scores_beyond_half():
    """PyTorch's half scores overflow to infinity here; the kernel's never were half."""
    qkv = np.full((1, 5, 192), 300.0)
    ours, theirs, exact = run(tosa.selective_attention, [qkv], {"num_heads": 1, "scale": 0.125}, np.float16)
    assert np.isnan(theirs).all()
    assert np.array_equal(ours, exact)


OUTSIDE = [[-3, 2, 5, 7, 12], [-9, 1, 4, 6, 24]]
NEAREST = [[0, 2, 5, 7, 8], [0, 1, 4, 6, 8]]


def moved(index, dtype):
    """What gather and both scatters make of nine tokens and an index, and all the memory they lie in."""
    rng = np.random.default_rng(4)
    memory = torch.from_numpy(rng.normal(size=(16 + 2 * 9 + 16, 96)).astype(dtype))
    shapes = ((96,), (96,), (2, 5, 96), (2, 5, 96))
    row, gamma, *few = (torch.from_numpy(rng.normal(size=shape).astype(dtype)) for shape in shapes)
    x, index = memory[16:-16].view(2, 9, 96), torch.tensor(index, dtype=torch.int32)
    rows, normed, out = torch.empty_like(few[0]), torch.empty_like(few[0]), torch.empty_like(x)
    given = {"x": x, "index": index, "weight": row, "bias": gamma}
    launch.run("TokenGather", given, {"rows": rows, "normed": normed}, {"epsilon": 1e-6})
    given = {"x": x, "index": index, "rows": few[0], "update": few[1], "gamma": gamma}
    launch.run("TokenScatter", given, {"out": out}, {})
    sizes = {"batch": 2, "tokens": 9, "kept": 5}
    for step in launch.scatter(96, in_place=True):
        step.run({**given, "out": x, **sizes}, sizes)
    return rows, normed, out, memory


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_token_outside_the_picture_counts_as_the_nearest_inside(dtype):
    """A builder times plugins on whatever lies in memory: nothing beside the picture is read or written."""
    for ours, right in zip(moved(OUTSIDE, dtype), moved(NEAREST, dtype), strict=True):
        assert torch.equal(ours, right)


def test_pytorch_accepts_the_operators():
    rng = np.random.default_rng(3)
    q = torch.from_numpy(rng.normal(size=(1, 9, 96)).astype(np.float32))
    index, row = torch.from_numpy(random_index(rng, 1, 9, 4)), torch.ones(96)
    half = q[:, :4].contiguous()
    checks = ("test_schema", "test_faketensor")
    for op, tensors, attributes in (
        ("gather_tokens", (q, index, row, row), {"epsilon": 1e-6}),
        ("scatter_tokens", (q, index, half, half, row), {}),
        ("selective_attention", (q,), {"num_heads": 1, "scale": 0.2}),
        ("previous_importance", (q,), {"num_heads": 1, "scale": 0.2, "query_stride": 8}),
    ):
        overload = getattr(torch.ops.tosa_edge, op).default
        torch.library.opcheck(overload, tensors, attributes, test_utils=checks)
