"""Several processes train one model, on one machine or on many: each takes its share of every batch.

`torchrun --nproc-per-node 8 -m -- tosa_edge train ...` starts them and tells each its place by environment
variables; without it there is one process, and nothing here does anything. On a CPU, one process with one
thread for each core is as fast as one process with many threads, and does not wait at every operator for a
core that somebody else is using.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from tosa_edge import machine

T = TypeVar("T")


@dataclass(frozen=True)
class ProcessRank:
    """Which of how many processes this one is, and how many of them share its machine."""

    rank: int = 0
    count: int = 1
    count_here: int = 1

    def shard(self, items: list[T]) -> list[T]:
        """This process's part of a batch; the parts of all processes make the whole."""
        return items[self.rank :: self.count]


def process_rank() -> ProcessRank:
    """This process's place, after all the others have been met."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return ProcessRank()
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return ProcessRank(dist.get_rank(), count, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def device() -> torch.device:
    """The accelerator that is this process's own, or the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def share_cores(place: ProcessRank, threads: int = 0) -> None:
    """As many CPU threads as asked for, or a fair part of this machine's cores."""
    fair = max(1, (os.cpu_count() or 1) // place.count_here)
    torch.set_num_threads(machine.threads(threads) if threads else fair)


def average(tensors: list[Tensor]) -> None:
    """Each becomes, in place, its mean over all processes; in one message, because many small ones wait."""
    if not dist.is_initialized() or not tensors:
        return
    flat = torch.cat([t.flatten() for t in tensors])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


def wait_for_all() -> None:
    """Barrier: rank 0 may still be writing."""
    if dist.is_initialized():
        dist.barrier()
