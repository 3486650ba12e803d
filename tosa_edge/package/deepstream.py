"""DeepStream's nvinfer: the graph as it wants one, its configuration, and a parser for what comes out.

nvinfer gives float32 planes [N, 3, H, W]; our graphs take uint8 [N, H, W, 3] and cast it to float themselves.
So the input changes its type, and a Transpose stands behind it. Whether depth is the same is tried.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from tosa_edge.depth_model import require_depth
from tosa_edge.engine.load import load_graph
from tosa_edge.errors import TosaEdgeError
from tosa_edge.graph import LoadedGraph
from tosa_edge.package.any_batch import SIDE, for_any_batch
from tosa_edge.package.options import Files, Options

_FILES = Path(__file__).parent / "files/deepstream"
PARSER = "NvDsInferParseTosaDepth"


def pipeline(spec: str, options: Options) -> Files:
    graph = load_graph(spec)
    proto = for_planes(graph, for_any_batch(graph) if options.most else graph.proto)
    files = {path.name: path.read_bytes() for path in sorted(_FILES.iterdir()) if path.is_file()}
    return {
        **files,
        "model.onnx": proto.SerializeToString(),
        "config_infer_tosa_depth.txt": config(graph, options.most or graph.info.batch),
    }


def for_planes(graph: LoadedGraph, proto: onnx.ModelProto) -> onnx.ModelProto:
    """float32 [N, 3, H, W] in, depth out, and nothing else."""
    info = graph.info
    if [port.name for port in proto.graph.input] != ["image"]:
        raise TosaEdgeError(
            f"{graph.label} wants the tokens that were kept beside the picture, which nvinfer has not",
            "Package a form that chooses them itself.",
        )
    require_depth(graph.info, graph.label)
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    for node in made.graph.node:
        if "image" in node.input:
            if node.op_type not in ("Cast", "Shape"):
                raise TosaEdgeError(
                    f"{graph.label} does more with its picture than nvinfer's float32 allows: {node.op_type}",
                    "Export it again with this version: `tosa-edge export`.",
                )
            if node.op_type == "Cast":  # of the batch, Shape says the same of both
                node.input[0] = "image_rows"
    side = SIDE if proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param else info.batch
    del made.graph.input[:]
    made.graph.input.append(
        helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [side, 3, info.height, info.width])
    )
    made.graph.node.insert(0, helper.make_node("Transpose", ["image"], ["image_rows"], perm=[0, 2, 3, 1]))
    for output in [o for o in made.graph.output if o.name != "depth"]:
        made.graph.output.remove(output)
    _same(graph, made)
    return made


def _same(graph: LoadedGraph, made: onnx.ModelProto) -> None:
    import onnxruntime

    info = graph.info
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (info.batch, info.height, info.width, 3)).astype(np.uint8)
    planes = np.ascontiguousarray(picture.transpose(0, 3, 1, 2), np.float32)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    found = []
    for data, image in ((graph.bytes(), picture), (made.SerializeToString(), planes)):
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        found.append(session.run(["depth"], {"image": image})[0])
    limit = (1e-3 if info.precision == "fp32" else 0.03) * float(np.ptp(found[0])) + 1e-6
    if np.abs(found[0] - found[1]).max() > limit:
        raise TosaEdgeError(
            f"{graph.label} gives other depth from float32 planes",
            "Export it again with this version: `tosa-edge export`.",
        )


def config(graph: LoadedGraph, batch: int) -> str:
    """What nvinfer reads. Fitted as ours is, but for the bars, which are black there."""
    info = graph.info
    lines = {
        "gpu-id": 0,
        "gie-unique-id": 1,
        "process-mode": 1,
        "onnx-file": "model.onnx",
        "model-engine-file": f"model.onnx_b{batch}_gpu0_fp32.engine",
        "batch-size": batch,
        "network-mode": 0,  # the precision is in the graph
        "network-input-order": 0,
        "infer-dims": f"3;{info.height};{info.width}",
        "model-color-format": 0,
        "net-scale-factor": 1.0,  # normalisation is in the graph
        "maintain-aspect-ratio": 1,
        "symmetric-padding": 1,
        "network-type": 2,
        "num-detected-classes": 1,
        "segmentation-threshold": 0.0,
        "output-blob-names": "depth",
        "parse-segmentation-func-name": PARSER,
        "custom-lib-path": "libtosa_depth_parser.so",
    }
    return "\n".join(["[property]", *(f"{key}={value}" for key, value in lines.items())]) + "\n"
