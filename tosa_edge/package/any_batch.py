"""A graph for one picture, turned into one for any number: what servers need to put requests together.

Our graphs have one batch each, which is what robots run. Where a shape begins with that 1 it is taken from
what comes in, and what is constant is repeated for each picture. Whether that is the same function is not
argued but tried: `same_for_each` runs both.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tosa_edge.errors import TosaEdgeError
from tosa_edge.graph import LoadedGraph

SIDE = "batch"
_BATCH = "any_batch"


def for_any_batch(graph: LoadedGraph) -> onnx.ModelProto:
    """Raises where the graph is not for one picture, or does not come out the same."""
    if graph.info.batch != 1:
        raise TosaEdgeError(
            f"{graph.label} is for {graph.info.batch} pictures at once, and no others",
            "Export it with `--batch 1`: the server puts requests together itself.",
        )
    made = onnx.ModelProto()
    made.CopyFrom(graph.proto)
    del made.graph.value_info[:]
    for value in (*made.graph.input, *made.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = SIDE
    constants = {i.name: i for i in made.graph.initializer}
    renamed: dict[str, str] = {}
    nodes = [helper.make_node("Shape", ["image"], [_BATCH], start=0, end=1)]
    for node in made.graph.node:
        if node.op_type == "Reshape" and node.input[1] in constants:
            node.input[1] = _from_input(made, constants[node.input[1]], renamed)
            for attribute in [a for a in node.attribute if a.name == "allowzero"]:
                node.attribute.remove(attribute)  # a 0 means here: as it was
        elif node.op_type == "Expand" and node.input[1] in constants:
            nodes.append(_repeated_shape(made, node, 1, constants))
        elif node.op_type == "Resize" and len(node.input) > 3 and node.input[3] in constants:
            nodes.append(_repeated_shape(made, node, 3, constants))
        elif node.op_type == "Concat":
            for place, name in enumerate(node.input):
                if name in constants and len(constants[name].dims) > 1 and constants[name].dims[0] == 1:
                    repeated = f"{node.output[0]}_each_{place}"
                    shape = f"{repeated}_shape"
                    rest = _constant(made, f"{shape}_rest", list(constants[name].dims[1:]))
                    nodes.append(helper.make_node("Concat", [_BATCH, rest], [shape], axis=0))
                    nodes.append(helper.make_node("Expand", [name, shape], [repeated]))
                    node.input[place] = repeated
        nodes.append(node)
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    same_for_each(graph, made)
    return made


def same_for_each(graph: LoadedGraph, made: onnx.ModelProto) -> None:
    """Raises unless three pictures together give what each gives alone."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    rng = np.random.default_rng(0)
    feeds = {}
    for port in graph.proto.graph.input:
        shape = [d.dim_value for d in port.type.tensor_type.shape.dim][1:]
        top, kind = (256, np.uint8) if port.name == "image" else (graph.info.tokens, np.int32)
        feeds[port.name] = np.sort(rng.integers(0, top, (3, *shape)).astype(kind), axis=1)
    try:
        alone = onnxruntime.InferenceSession(graph.bytes(), options, providers=["CPUExecutionProvider"])
        several = onnxruntime.InferenceSession(
            made.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        together = several.run(None, feeds)
        singly = [alone.run(None, {k: v[i : i + 1] for k, v in feeds.items()}) for i in range(3)]
    except Exception as error:  # its exceptions share no base class below Exception
        raise _differs(graph, (str(error).splitlines() or ["it does not run"])[0][:200]) from error
    for port, found, *wanted in zip(graph.proto.graph.output, together, *singly, strict=True):
        expected = np.concatenate(wanted)
        exact = np.issubdtype(expected.dtype, np.integer)
        share = 1e-3 if graph.info.precision == "fp32" else 0.03
        limit = 0.0 if exact else share * float(np.ptp(expected)) + 1e-6
        if found.shape != expected.shape or np.abs(found - expected).max(initial=0) > limit:
            raise _differs(graph, f"{port.name} of several pictures is not that of each")


def _differs(graph: LoadedGraph, why: str) -> TosaEdgeError:
    return TosaEdgeError(
        f"{graph.label} cannot be made to take any number of pictures: {why}",
        "Package it as it is, for one picture at a time: --max-batch 0.",
    )


def _from_input(made: onnx.ModelProto, shape: onnx.TensorProto, renamed: dict[str, str]) -> str:
    """A shape whose first side is that of what comes in; the old one may be used for something else."""
    sides = numpy_helper.to_array(shape).tolist()
    if sides[0] != 1:
        return shape.name
    if shape.name not in renamed:
        renamed[shape.name] = _constant(made, f"{shape.name}_any", [0, *sides[1:]])
    return renamed[shape.name]


def _repeated_shape(
    made: onnx.ModelProto, node: onnx.NodeProto, place: int, constants: dict[str, onnx.TensorProto]
) -> onnx.NodeProto:
    """What makes the shape that a node has at `place` of its inputs."""
    sides = numpy_helper.to_array(constants[node.input[place]]).tolist()
    rest = _constant(made, f"{node.output[0]}_rest", sides[1:])
    node.input[place] = f"{node.output[0]}_shape"
    return helper.make_node("Concat", [_BATCH, rest], [node.input[place]], axis=0)


def _constant(made: onnx.ModelProto, name: str, values: list[int]) -> str:
    made.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
    return name
