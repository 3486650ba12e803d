"""Tiny models whose answers are known without running them.

Depth is the mean of a pixel's three colours, over 255. The selective one keeps the `kept` brightest patches,
twice (G = 2), and the second time the darkest.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tosa_edge.graph_info import KEY, GraphInfo

HEIGHT, WIDTH, PATCH, KEPT = 28, 42, 14, 2
GRID = (HEIGHT // PATCH, WIDTH // PATCH)


def info(**changes: object) -> GraphInfo:
    values: dict = {
        "name": "tiny",
        "height": HEIGHT,
        "width": WIDTH,
        "patch": PATCH,
        "output": "relative_inverse_depth",
        "weights_sha256": "",
        "version": "0",
    }
    return GraphInfo(**{**values, **changes})


def selective_info(**changes: object) -> GraphInfo:
    return info(
        **{
            "selective_layers": (1, 3),
            "selections": (0, 2),
            "keep": KEPT / 6,
            "kept": KEPT,
            "group": 1,
            **changes,
        }
    )


def expected_depth(picture: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] -> float32 [H, W]."""
    return picture.astype(np.float32).mean(axis=2) / 255


def expected_kept(picture: np.ndarray) -> np.ndarray:
    """uint8 [HEIGHT, WIDTH, 3] -> int32 [2, KEPT]."""
    patches = (
        picture.astype(np.float32).reshape(GRID[0], PATCH, GRID[1], PATCH, 3).mean(axis=(1, 3, 4)).ravel()
    )
    order = np.argsort(-patches, kind="stable")
    return np.stack([np.sort(order[:KEPT]), np.sort(order[-KEPT:])]).astype(np.int32)


def model(about: GraphInfo | None = None) -> onnx.ModelProto:
    """Dense, or selective when `about` says so; reuse form passes `kept` through."""
    about = about or info()
    B, H, W = about.batch, about.height, about.width
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "last"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "most"], ["depth"]),
    ]
    weights = [
        numpy_helper.from_array(np.array([3], np.int64), "last"),
        numpy_helper.from_array(np.array(255, np.float32), "most"),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, [B, H, W, 3])]
    outputs = [helper.make_tensor_value_info("depth", TensorProto.FLOAT, [B, H, W])]
    if not about.dense:
        shape = [B, len(about.selections), about.kept]
        outputs.append(helper.make_tensor_value_info("kept", TensorProto.INT32, shape))
        if about.form == "reuse":
            outputs.pop()
            inputs.append(helper.make_tensor_value_info("kept", TensorProto.INT32, shape))
        else:
            nodes += _selection(about)
            weights += _selection_weights(about)
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    entry = made.metadata_props.add()
    entry.key, entry.value = KEY, about.to_json()
    return made


def _selection(about: GraphInfo) -> list[onnx.NodeProto]:
    nodes = [
        helper.make_node("Reshape", ["mean", "patches"], ["split"]),
        helper.make_node("ReduceMean", ["split", "inside"], ["bright"], keepdims=0),
        helper.make_node("Reshape", ["bright", "flat"], ["scores"]),
    ]
    for which, largest in (("a", 1), ("b", 0)):
        nodes += [
            helper.make_node("TopK", ["scores", "k"], [f"v{which}", f"i{which}"], largest=largest),
            helper.make_node("Neg", [f"i{which}"], [f"n{which}"]),
            helper.make_node("TopK", [f"n{which}", "k"], [f"s{which}", f"x{which}"]),
            helper.make_node("Neg", [f"s{which}"], [f"o{which}"]),
            helper.make_node("Unsqueeze", [f"o{which}", "one"], [f"u{which}"]),
        ]
    return [
        *nodes,
        helper.make_node("Concat", ["ua", "ub"], ["both"], axis=1),
        helper.make_node("Cast", ["both"], ["kept"], to=TensorProto.INT32),
    ]


def _selection_weights(about: GraphInfo) -> list[onnx.TensorProto]:
    rows, columns = about.grid
    values = {
        "patches": [about.batch, rows, about.patch, columns, about.patch],
        "inside": [2, 4],
        "flat": [about.batch, rows * columns],
        "k": [about.kept],
        "one": [1],
    }
    return [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in values.items()]


def save(path: Path, about: GraphInfo | None = None) -> Path:
    onnx.save(model(about), path)
    return path


def picture(height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> np.ndarray:
    """RGB uint8 [height, width, 3]: smooth, with every patch of another brightness."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    base = 40 + 120 * y + 60 * x
    return np.clip(base[..., None] + generator.normal(0, 3, (height, width, 3)), 0, 255).astype(np.uint8)
