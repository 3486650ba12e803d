"""The C++ host launches what `launch.plan_launches` says, with the parameters that the cubins ask for.

Without TensorRT's headers: only its outermost layer needs them (test_tensorrt_library.py)."""

import re
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plugins import native
from tests.plugins.small_kernels import HEAD_DIM, HEADS, HIDDEN, WIDE, WIDTH

if native.lacking():
    pytest.skip(native.lacking(), allow_module_level=True)

from tosa_edge.plugins import OPERATORS, TOKEN_IMPORTANCE_PREVIOUS, kernel_file, launch
from tosa_edge.plugins.kernel_list import Kernel

FORMS = {(o.name, len(o.inputs)): o for o in (*OPERATORS, TOKEN_IMPORTANCE_PREVIOUS)}
LAUNCH = re.compile(r"driver launch (\w+) ([\d ]+) threads (\d+) 1 1 shared (\d+) stream 0x5 with (.*)")


@pytest.fixture(scope="module")
def shared(small_kernels):
    """Bytes of shared memory, by what the kernel file says of a launch on sm_87."""
    index, _ = kernel_file.read((small_kernels.parent / "small.kernels").read_bytes())
    entries = [e for e in index["kernels"] if e["sm"] == 87 and not e["shape"].get("in_place")]

    def of(operator, precision, step, **shape):
        (entry,) = (
            e
            for e in entries
            if (e["operator"], e["precision"], e["step"]) == (operator, precision, step)
            and all(e["shape"].get(name, size) == size for name, size in shape.items())
        )
        return entry["shared"]

    return of


@pytest.fixture(scope="module")
def replay(small_kernels, tmp_path_factory):
    """The replaying program, under AddressSanitizer: cases and a GPU to what it says of each."""
    built = native.build(tmp_path_factory.mktemp("launches"), small_kernels, native.SANITIZED)

    def run(cases, sm=87, driver=True):
        environment = native.with_driver(built, sm) if driver else None
        said = native.call(built / "replay", text="\n".join(cases) + "\n", environment=environment)
        return said.split("case ")[1:]

    return run


def case(operator, precision, attributes, shapes):
    words = [f"{name}={value!r}" for name, value in attributes.items()]
    return " ".join([operator, precision, *words, "|", *("x".join(map(str, shape)) for shape in shapes)])


def node(operator, batch, tokens, kept, stride, inputs):
    """Attributes and shapes of a node of the small model."""
    full, few, row = (batch, tokens, WIDTH), (batch, kept, WIDTH), (WIDTH,)
    if operator == "TokenGather":
        return {"epsilon": 1e-6}, [full, (batch, kept), row, row]
    if operator == "TokenScatter":
        return {}, [full, (batch, kept), few, few, row]
    if operator == "SelectiveAttention":
        return {"num_heads": HEADS, "scale": 0.3}, [(batch, kept, 3 * WIDTH)]
    weights = [(HIDDEN, HEADS), (HIDDEN,), (HEADS, HIDDEN)]
    attributes = {"num_heads": HEADS, "query_stride": stride, "scale": 0.3}
    return attributes, [(batch, tokens, 3 * WIDTH), *weights][:inputs]


def expected(form, precision, attributes, shapes, shared):
    """What the driver must be asked for, by `launch.plan_launches` and the kernel's own parameters."""
    named = dict(zip(form.inputs, shapes, strict=True))
    planned = launch.plan_launches(form.name, named, precision == "fp16", attributes)
    assert planned is not None
    launches, sizes = planned
    addresses = {name: 0x1000 * (place + 1) for place, name in enumerate(form.inputs)}
    addresses |= {name: 0x10000 * (place + 1) for place, name in enumerate(form.outputs)}
    addresses |= {"statistics": 0x100000, "global_scratch": 0, "profile_scratch": 0}
    for step, one in enumerate(launches):
        kernel = Kernel(form.name, precision, (), step, one, 87)
        words = []
        for name, kind in {**kernel.parameters(), "global_scratch": "*", "profile_scratch": "*"}.items():
            if kind == "fp32":
                words.append(f"w{struct.unpack('<I', struct.pack('<f', attributes[name]))[0]:x}")
            elif kind == "i32":
                words.append(f"w{attributes['query_stride'] if name == 'stride' else sizes[name]:x}")
            else:  # an absent input: its address is never read
                words.append(f"p{addresses.get(name, addresses[form.inputs[0]]):x}")
        grid = [*one.programs(sizes), 1, 1][:3]
        hidden = HIDDEN if "b1" in named else 0
        memory = shared(form.name, precision, step, heads=attributes.get("num_heads"), hidden=hidden)
        yield one.kernel, " ".join(map(str, grid)), str(one.warps * 32), str(memory), " ".join(words)


@pytest.mark.parametrize(("operator", "inputs"), FORMS)
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_every_launch_is_python_s(replay, shared, operator, inputs, precision):
    sizes = [(1, 64, 32, 8), (2, 65, 33, 1), (3, 1369, 685, 7), (1, 17, 1, 40)]
    nodes = [node(operator, *numbers, inputs) for numbers in sizes]
    form = FORMS[operator, inputs]
    said = replay([case(operator, precision, *one) for one in nodes])
    for (attributes, shapes), text in zip(nodes, said, strict=True):
        assert "refused" not in text
        assert LAUNCH.findall(text) == list(expected(form, precision, attributes, shapes, shared))
        loads = re.findall(r"driver (?:load|unload)[^,]*, (\d+) loaded", text)
        assert loads[-1] == "0", "a module was not unloaded"
        if operator == "TokenImportance":
            batch, tokens, _ = shapes[0]
            queries = -(-tokens // attributes["query_stride"])
            assert f"scratch {batch * HEADS * 2 * (launch.PARTS + 1) * queries * 4}\n" in text


# Input and axis: how many pictures or tokens there are, where no other input says so too.
FREE = {
    "TokenImportance": {(0, 0), (0, 1)},
    "TokenGather": {(0, 1), (1, 1)},
    "SelectiveAttention": {(0, 0), (0, 1)},
    "TokenScatter": {(0, 1)},
}


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_what_does_not_fit_is_refused_and_nothing_else(replay, data):
    """One length of one input is changed; most then contradict another one, or no kernel is for them."""
    operator, inputs = data.draw(st.sampled_from(list(FORMS)))
    attributes, shapes = node(operator, 2, 40, 20, 3, inputs)
    which = data.draw(st.integers(0, inputs - 1))
    axis = data.draw(st.integers(0, len(shapes[which]) - 1))
    length = data.draw(st.integers(0, 300))
    changed = list(shapes[which])
    changed[axis] = length
    shapes = [*shapes[:which], tuple(changed), *shapes[which + 1 :]]
    (said,) = replay([case(operator, "fp16", attributes, shapes)])
    same = length == node(operator, 2, 40, 20, 3, inputs)[1][which][axis]
    free = length > 0 and (which, axis) in FREE[operator]
    assert ("refused" not in said) == (same or free), said
    assert ("driver launch" in said) == (same or free)


GPUS = {80: "sm_80", 86: "sm_86", 87: "sm_87", 89: "sm_86", 90: "sm_90", 88: None, 100: None, 75: None}


@pytest.mark.parametrize(("gpu", "takes"), GPUS.items())
def test_each_gpu_gets_the_kernels_that_run_on_it(replay, gpu, takes):
    """Compiled for 80, 86, 87 and 90. A Jetson and anything from 9.0 on run nothing but their own."""
    (said,) = replay([case("TokenGather", "fp16", *node("TokenGather", 1, 9, 4, 1, 4))], sm=gpu)
    assert set(re.findall(r"load (sm_\d+),", said)) == ({takes} if takes else set())
    assert ("refused TokenGather: no kernel was compiled for sm_" in said) == (takes is None)


def test_without_a_driver_or_a_gpu_there_is_a_reason(replay):
    gather = case("TokenGather", "fp16", *node("TokenGather", 1, 9, 4, 1, 4))
    (no_driver,) = replay([gather], driver=False)
    assert "refused there is no CUDA driver: libcuda.so.1" in no_driver
    (no_gpu,) = replay([gather], sm=0)
    assert "refused no GPU is current in this thread: CUDA_ERROR_INVALID_CONTEXT" in no_gpu


def test_what_nobody_compiled_is_named(replay):
    attributes, _ = node("SelectiveAttention", 1, 9, 4, 1, 1)
    (said,) = replay([case("SelectiveAttention", "fp16", attributes, [(1, 4, 3 * HEADS * HEAD_DIM * 2)])])
    assert f"refused SelectiveAttention: no kernel was compiled for float16, head_dim {HEAD_DIM * 2}" in said


def test_more_shared_memory_than_a_launch_has_is_asked_for(replay, shared):
    """The driver of the tests refuses a launch that has not asked, as the real one does."""
    width = WIDE["heads"] * WIDE["head_dim"]
    attributes = {"num_heads": WIDE["heads"], "query_stride": 8, "scale": 0.125}
    (said,) = replay([case("TokenImportance", "fp16", attributes, [(1, 64, 3 * width)])])
    asked = [shared("TokenImportance", "fp16", step, **WIDE) for step in (0, 1)]
    assert min(asked) > 48 * 1024
    assert re.findall(r"attribute \w+ 8 (\d+)", said) == list(map(str, asked))
    assert len(LAUNCH.findall(said)) == 2
    assert "refused" not in said
