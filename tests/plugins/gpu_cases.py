"""What `gpu_check.py` runs: every operator at one size, and beside it comparable work of PyTorch's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.plugins.judged import assert_as_good_as_torch, largest_score
from tests.plugins.test_operators import random_index
from tosa_edge.nn import encoder, tosa
from tosa_edge.nn.config import ModelConfig
from tosa_edge.nn.encoder import Encoder
from tosa_edge.nn.tosa import Pattern, grouped
from tosa_edge.plugins import work
from tosa_edge.plugins.work import Sizes, Work
from tosa_edge.training.study.flops import multiply_adds

HEADS, HEAD_DIM, KEEP = 6, 64, 0.5
WIDTH = HEADS * HEAD_DIM


@dataclass(frozen=True)
class Case:
    """An operator, what it is given, what PyTorch does meanwhile, and how much it has to do."""

    name: str
    form: Callable
    tensors: tuple[Tensor, ...]
    yardstick: Callable
    work: Work
    attributes: dict[str, Any] = field(default_factory=dict)

    def run(self) -> Any:
        return self.form(*self.tensors, **self.attributes)

    def correct(self) -> bool:
        """Is the kernel at most twice as far from float64 as PyTorch is in the same precision?"""
        # One picture of the batch: float64's maps are large. Weights have no batch and stay whole.
        first = [t[:1] if t.dim() == 3 or t.dtype == torch.int32 else t for t in self.tensors]
        exact = [t.double() if t.is_floating_point() else t for t in first]
        plain = self.form.__wrapped__  # type: ignore[attr-defined]
        results = []
        for function, given in ((self.form, self.tensors), (plain, first), (plain, exact)):
            out = function(*given, **self.attributes)
            results.append([o[:1].cpu().numpy() for o in (out if isinstance(out, tuple) else (out,))])
        importance = "query_stride" in self.attributes
        last_places = largest_score(*exact, **self.attributes) if importance else 1.0
        try:
            assert_as_good_as_torch(*results, last_places)
        except AssertionError:
            return False
        return True


def cases(
    tokens: int, batch: int, dtype: torch.dtype, device: str, only: tuple[str, ...] = ()
) -> Iterator[Case]:
    rng = np.random.default_rng(tokens + batch)
    kept = max(1, round(KEEP * tokens))
    sizes = Sizes(tokens, kept, WIDTH, HEADS, 2 * HEADS, size=dtype.itemsize, batch=batch)

    def random(*shape: int) -> Tensor:
        return torch.from_numpy(rng.standard_normal(shape, np.float32)).to(device, dtype)

    x, qkv, chosen = (
        random(batch, tokens, WIDTH),
        random(batch, tokens, 3 * WIDTH),
        random(batch, kept, WIDTH),
    )
    weight, bias, gamma = random(3, WIDTH)
    convolutions = random(2 * HEADS, HEADS), random(2 * HEADS), random(HEADS, 2 * HEADS)
    index = torch.from_numpy(random_index(rng, batch, tokens, kept)).to(device)
    shape = {"num_heads": HEADS, "scale": HEAD_DIM**-0.5}
    few = qkv[:, :kept].contiguous()

    def copy(moved: int) -> Callable:
        """Of as many bytes: read once, written once."""
        count = max(1, moved // 2 // dtype.itemsize)
        to, source = (torch.empty(count, device=device, dtype=dtype) for _ in range(2))
        return lambda: to.copy_(source)

    moved, put = work.gather(sizes), work.scatter(sizes)
    inputs, epsilon = (x, index, weight, bias), {"epsilon": 1e-6}
    made: dict[str, Callable[[], Case]] = {
        "gather": lambda: Case("gather", tosa.gather_tokens, inputs, copy(moved.bytes), moved, epsilon),
        "attention": lambda: Case(
            "attention", tosa.selective_attention, (few,), sdpa(few), work.attention(sizes), shape
        ),
        "scatter": lambda: Case(
            "scatter", tosa.scatter_tokens, (x, index, chosen, chosen, gamma), copy(put.bytes), put
        ),
    }

    def importance(stride: int) -> Case:
        given, done = {**shape, "query_stride": stride}, work.importance(replace(sizes, stride=stride))
        form = tosa.learned_importance
        return Case(f"importance_{stride}", form, (qkv, *convolutions), sdpa(qkv), done, given)

    made |= {f"importance_{stride}": partial(importance, stride) for stride in (1, 8)}
    for name, make in made.items():
        if not only or name in only:
            yield make()


def sdpa(qkv: Tensor) -> Callable:
    """PyTorch's own attention of all that is there, its q, k and v laid out as it likes them."""
    q, k, v = (part.contiguous() for part in tosa.split_heads(qkv, HEADS))
    return lambda: F.scaled_dot_product_attention(q, k, v)


def encoders(config: ModelConfig, batch: int, device: str) -> tuple[list[Callable], float]:
    """A dense and a selective encoder, and how many times as fast their multiply-adds let the second be."""
    dtype = torch.float16 if device == "cuda" else torch.float32
    torch.manual_seed(0)
    net = Encoder(config).to(device, dtype).eval()
    image = torch.rand(batch, 3, config.height, config.width, device=device, dtype=dtype)
    dense, selective = Pattern(), Pattern(grouped(config.layers, 1), KEEP, query_stride=8)
    ceiling = multiply_adds(config, dense) / multiply_adds(config, selective)
    return [lambda: net(image, dense), lambda: net(image, selective)], ceiling


@contextmanager
def fast_standard_layers() -> Iterator[None]:
    """Standard layers attend by PyTorch's fastest, or a dense encoder would be slow for no reason of ours."""

    def attention(qkv: Tensor, num_heads: int, scale: float) -> Tensor:
        q, k, v = tosa.split_heads(qkv, num_heads)
        return F.scaled_dot_product_attention(q, k, v, scale=scale).transpose(1, 2).flatten(2)

    before, encoder.attention = encoder.attention, attention
    try:
        yield
    finally:
        encoder.attention = before
