"""Raising a graph's opset changes a number, because nothing else changes: read off the operators' schemas."""

import onnx
import pytest

from tosa_edge.calibration.qdq import GPU_OPSET
from tosa_edge.export import attention_form
from tosa_edge.export.opset import raise_opset
from tosa_edge.find_model import ASSETS
from tosa_edge.plugins import OPSET


def operators():
    """Of every bundled graph and of the functions in it."""
    found = set()
    for path in ASSETS.glob("*/*.onnx"):
        model = onnx.load(path, load_external_data=False)
        for nodes in (model.graph.node, *(function.node for function in model.functions)):
            found |= {node.op_type for node in nodes if not node.domain}
    return sorted(found)


def attributes(schema):
    return {
        name: (a.type, a.required, a.default_value.SerializeToString())
        for name, a in schema.attributes.items()
    }


def types(schema, formals):
    known = {c.type_param_str: set(c.allowed_type_strs) for c in schema.type_constraints}
    return [(f.name, f.option, known.get(f.type_str, {f.type_str})) for f in formals]


@pytest.mark.parametrize("version", [GPU_OPSET, attention_form.OPSET])
def test_our_operators_mean_the_same_at_a_later_opset(version):
    used = operators()
    assert len(used) > 25
    for name in used:
        old, new = (onnx.defs.get_schema(name, v) for v in (OPSET, version))
        assert not new.deprecated
        assert attributes(old).items() <= attributes(new).items(), name
        for before, after in ((old.inputs, new.inputs), (old.outputs, new.outputs)):
            was, now = types(old, before), types(new, after)
            for (_, option, kinds), (_, option_now, kinds_now) in zip(was, now, strict=False):
                assert (option, kinds <= kinds_now) == (option_now, True), name
            assert len(was) <= len(now), name
            optional = onnx.defs.OpSchema.FormalParameterOption.Optional
            assert all(option == optional for _, option, _ in now[len(was) :])
        added = attributes(new).keys() - attributes(old).keys()
        assert not any(new.attributes[a].required for a in added), name


def test_functions_are_raised_with_their_graph():
    model = onnx.load(ASSETS / "tosa_depth_t" / "g3.onnx", load_external_data=False)
    raise_opset(model, 19)
    for owner in (model, *model.functions):
        assert {o.version for o in owner.opset_import if not o.domain} == {19}
