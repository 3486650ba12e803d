"""What NVIDIA says of its GPUs: one for each architecture that kernels are compiled for.

Limits of a multiprocessor belong to the architecture; how many there are, their clock and memory to the GPU
named. Rates are of one multiprocessor and cycle: float32 lanes, and operations of dense half-precision
matrix products that are summed in float32.
"""

from __future__ import annotations

from dataclasses import dataclass

REGISTERS = 65536  # of a multiprocessor, on all of them
RESERVED = 1024  # bytes of shared memory that the system takes of each block
SCHEDULERS = 4  # of a multiprocessor: so many instructions can start in a cycle, each for one warp
SPECIAL = 16  # exponentials and the like of a multiprocessor and cycle


@dataclass(frozen=True)
class Gpu:
    """
    Args:
        shared: KiB of a multiprocessor; a block may have one less.
    """

    name: str
    multiprocessors: int
    gigahertz: float
    threads: int
    blocks: int
    shared: int
    single: int
    matrix: int
    gigabytes: float  # a second, of its memory

    @property
    def shared_of_a_block(self) -> int:
        return self.shared - RESERVED // 1024


GPUS = {
    80: Gpu("A100 80GB", 108, 1.41, 2048, 32, 164, 64, 2048, 2039),
    86: Gpu("RTX 3080", 68, 1.71, 1536, 16, 100, 128, 512, 760),
    87: Gpu("Jetson AGX Orin 64GB", 16, 1.3, 1536, 16, 164, 128, 2048, 205),
    89: Gpu("RTX 4090", 128, 2.52, 1536, 24, 100, 128, 512, 1008),
    90: Gpu("H100 SXM", 132, 1.83, 2048, 32, 228, 128, 4096, 3350),
    100: Gpu("B200", 148, 1.85, 2048, 32, 228, 128, 8192, 8000),
    110: Gpu("Jetson Thor T5000", 20, 1.575, 1536, 24, 228, 128, 8192, 273),
    120: Gpu("RTX 5090", 170, 2.41, 1536, 24, 100, 128, 512, 1792),
}
