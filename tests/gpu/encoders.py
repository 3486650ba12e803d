"""Dense against selective encoders in PyTorch: what skipping is worth on a GPU, measured whole.

Each way of skipping is an entry of `forms_of`; another joins there. Weights are random: they
decide which tokens are kept, and not how long it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.accuracy import form_of, judged, tensors_of
from tests.gpu.cases import of_model
from tests.gpu.results import Results, Row
from tosa_edge.find_model import find_graph
from tosa_edge.nn import operators, stack, tosa
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.encoder import Encoder
from tosa_edge.nn.tosa import Pattern, grouped
from tosa_edge.row_sharing import parse_ways
from tosa_edge.training.study.flops import multiply_adds
from tosa_edge.tuning.candidates import sharing_specs

KEEP, STRIDE = 0.5, 8
SIZES = ((252, 336), (518, 518))
Way = Callable[[Encoder, Tensor], Any]


def patterns(layers: int) -> dict[str, Pattern]:
    selective = {f"g{m}": Pattern(grouped(layers, m), KEEP, query_stride=STRIDE) for m in (1, 3)}
    specs = {
        spec.partition("=")[0]: spec for spec in sharing_specs(layers)
    }  # of windows, those with fewest rows
    sharing = {name: Pattern(ways=parse_ways(spec, layers)) for name, spec in specs.items()}
    return {"dense": Pattern(), **selective, **sharing}


def forms_of(config: ModelConfig) -> dict[str, tuple[Way, float]]:
    """By name: an encoder's forward, and how many times fewer multiply-adds than dense it needs."""
    dense = multiply_adds(config, Pattern())
    return {
        name: (partial(_forward, pattern=pattern), dense / multiply_adds(config, pattern))
        for name, pattern in patterns(config.layers).items()
    }


def _forward(net: Encoder, image: Tensor, pattern: Pattern) -> Any:
    return net(image, pattern)


def shipped() -> ModelConfig:
    """Of the small model, whose weights may not be here."""
    return ModelConfig.from_json((find_graph("tosa_depth_s:dense").parent / "model.json").read_text())


def small_config() -> ModelConfig:
    return ModelConfig(height=56, width=84, dim=64, heads=2, layers=4, head_layers=(0, 1, 2, 3))


def run(results: Results, walk: bool) -> None:
    device = "cpu" if walk else "cuda"
    if walk:
        operators.KERNEL_DEVICES = {"cpu"}
    with torch.no_grad(), fast_standard_layers():
        config = small_config() if walk else shipped()
        for size in [(config.height, config.width)] if walk else SIZES:
            for compiled in (True,) if walk else (False, True):
                measured(results, config.at(*size), compiled, device)
        for precision in ("fp16",) if walk else ("fp16", "fp32"):
            for name, case in of_model(precision, 2, *((9, 5) if walk else (433, 217))).items():
                results.attempt(f"PyTorch calls {name} {precision}", partial(called, case, device))


def called(case: Any, device: str) -> Row:
    """A kernel as PyTorch calls it, compiled by this machine's Triton."""
    out = form_of(case)(*tensors_of(case.arrays, device), **case.attributes)
    return judged(case, [o.cpu().numpy() for o in (out if isinstance(out, tuple) else (out,))], device)


def measured(results: Results, config: ModelConfig, compiled: bool, device: str) -> None:
    net, image = made(config, 1, device)
    how = f"{config.height}x{config.width}{', compiled' if compiled else ''}"
    calls: dict[str, Callable] = {}
    backend = "eager" if device == "cpu" else "inductor"  # on a walk traced, and no more
    torch._dynamo.reset()
    for name, (way, _) in forms_of(config).items():
        call = partial(way, net, image)
        if compiled:
            call = torch.compile(call, fullgraph=True, dynamic=False, backend=backend)
        # What does not compile is a row of its own, and the others are still measured.
        results.attempt(f"{name} {how}", partial(_features, call, calls, name))
    if device == "cpu" or "dense" not in calls:
        return
    from tests.gpu.measure import medians

    took = dict(zip(calls, medians(list(calls.values()), calls=5), strict=True))
    for name, ms in took.items():
        ceiling = forms_of(config)[name][1]
        speedup = took["dense"] / ms
        results.add(f"{name} {how}", None, ms=ms, speedup=speedup, ceiling=ceiling, share=speedup / ceiling)


def _features(call: Callable, calls: dict[str, Callable], name: str) -> Row:
    features, _ = call()
    calls[name] = call
    return {"passed": all(bool(f.isfinite().all()) for f in features)}


def made(config: ModelConfig, batch: int, device: str) -> tuple[Encoder, Tensor]:
    dtype = torch.float16 if device == "cuda" else torch.float32
    torch.manual_seed(0)
    net = Encoder(config).to(device, dtype).eval()
    return net, torch.rand(batch, 3, config.height, config.width, device=device, dtype=dtype)


@contextmanager
def fast_standard_layers() -> Iterator[None]:
    """Standard layers attend by PyTorch's fastest, or a dense encoder would be slow for no reason of ours."""

    def attention(qkv: Tensor, num_heads: int, scale: float, log_size: Tensor | None = None) -> Tensor:
        q, k, v = tosa.split_heads(qkv, num_heads)
        mask = None if log_size is None else log_size[:, None, None].to(q.dtype)
        return F.scaled_dot_product_attention(q, k, v, mask, scale=scale).transpose(1, 2).flatten(2)

    before, stack.attention = stack.attention, attention
    try:
        yield
    finally:
        stack.attention = before
