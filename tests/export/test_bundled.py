"""The bundled models on real pictures: the exported graphs against PyTorch, both against float64.

Minutes of exports: `make test-slow` runs them.

Selection and arithmetic are judged apart: half precision may flip a token whose importance is nearly that of
another, and one flipped token moves the depth more than all rounding together.
"""

import numpy as np
import onnxruntime as ort
import pytest
import torch

from tosa_edge.export.folder import export_graph
from tosa_edge.find_model import ASSETS, DEFAULT_SPREAD, WEIGHTS, bundled_models
from tosa_edge.nn.tosa import Pattern, grouped
from tosa_edge.nn.weights import load_net

PICTURES = 20


def clip_frames(count):
    """Frames of the bundled clip, spread over its three rooms: uint8 [count, 252, 336, 3]."""
    import cv2

    capture, frames = cv2.VideoCapture(str(ASSETS / "clip.webm")), []
    while (read := capture.read())[0]:
        frames.append(
            cv2.cvtColor(cv2.resize(read[1], (336, 252), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
        )
    chosen = np.linspace(0, len(frames) - 1, count).round().astype(int)
    return np.stack([frames[i] for i in chosen])


def torch_runs(checkpoint, pattern, pictures, kept=None, dtype=torch.float32):
    """Depth and kept patches of every picture in one precision."""
    net = load_net(checkpoint, None, pattern)
    net = net.half() if dtype == torch.float16 else net.to(dtype)
    with torch.no_grad():
        runs = [
            net(torch.from_numpy(p[None]), None if kept is None else torch.from_numpy(kept[i : i + 1]))
            for i, p in enumerate(pictures)
        ]
    return [np.concatenate([r[part].numpy() for r in runs]) for part in (0, 1)]


def onnx_runs(checkpoint, pattern, pictures, kept=None, precision="fp32"):
    model = export_graph(
        checkpoint, pattern, form="portable" if kept is None else "reuse", precision=precision
    )
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    runs = [
        session.run(None, {"image": p[None]} | ({} if kept is None else {"kept": kept[i : i + 1]}))
        for i, p in enumerate(pictures)
    ]
    return [np.concatenate(part) for part in zip(*runs, strict=True)]


def agreement(a, b):
    """Share of the kept patches that two runs have in common, for each picture."""
    return np.array([
        np.mean([len(np.intersect1d(x, y)) / len(x) for x, y in zip(one, other, strict=True)])
        for one, other in zip(a, b, strict=True)
    ])  # fmt: skip


def error(depth, exact):
    return float(np.sqrt(np.mean((depth - exact) ** 2)))


@pytest.mark.slow
@pytest.mark.parametrize("group", [1, 3])
@pytest.mark.parametrize("name", bundled_models())
def test_exported_graphs_on_real_pictures(name, group):
    pictures = clip_frames(PICTURES)
    checkpoint = ASSETS / name / WEIGHTS
    layers = load_net(checkpoint).config.layers
    pattern = Pattern(grouped(layers, group), keep=0.5, query_stride=8, spread=DEFAULT_SPREAD)
    exact, kept = torch_runs(checkpoint, pattern, pictures, dtype=torch.float64)
    spread = float(exact.std())

    _, single_kept = onnx_runs(checkpoint, pattern, pictures)
    assert agreement(single_kept, kept).mean() >= 0.999
    (single,) = onnx_runs(checkpoint, pattern, pictures, kept)
    single_noise = error(torch_runs(checkpoint, pattern, pictures, kept)[0], exact)
    assert error(single, exact) <= 2 * single_noise

    _, half_kept = onnx_runs(checkpoint, pattern, pictures, precision="fp16")
    assert agreement(half_kept, kept).min() >= 0.98
    (half,) = onnx_runs(checkpoint, pattern, pictures, kept, "fp16")
    half_noise = error(torch_runs(checkpoint, pattern, pictures, kept, torch.float16)[0], exact)
    assert error(half, exact) <= 2 * half_noise

    print(
        f"\n{name}, group {group}, {len(pictures)} pictures, errors as a share of the spread of depth:"
        f"\n  fp32: kept agree {agreement(single_kept, kept).mean():.4%}, "
        f"error {error(single, exact) / spread:.1e}, PyTorch's {single_noise / spread:.1e}"
        f"\n  fp16: kept agree {agreement(half_kept, kept).min():.2%} at least, "
        f"error {error(half, exact) / spread:.1e}, PyTorch's {half_noise / spread:.1e}"
    )
