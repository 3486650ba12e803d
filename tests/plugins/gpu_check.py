"""The kernels as PyTorch calls them, against float64: `python -m tests.plugins.gpu_check`, on a GPU.

`--tiny`, with TRITON_INTERPRET=1, does the same on a CPU. What ships compiled, how fast it is, and all else
that a GPU has to say is `tests.gpu`'s.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

import torch

from tests.gpu.cases import of_model
from tests.gpu.encoders import called, fast_standard_layers, forms_of, made, small_config
from tosa_edge.errors import MachineLacks, exit_code_of
from tosa_edge.nn import operators

SIZES, TINY = (433, 217), (20, 10)
PICTURES = 2


def main() -> None:
    parser = argparse.ArgumentParser(description="Checks the kernels through PyTorch.")
    parser.add_argument("--tiny", action="store_true", help="on the CPU, in Triton's interpreter")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    given = parser.parse_args()
    if given.tiny:
        operators.KERNEL_DEVICES = {"cpu"}
    elif not torch.cuda.is_available():
        raise MachineLacks("no GPU here", "run it on one, or with --tiny and TRITON_INTERPRET=1")
    with torch.no_grad(), fast_standard_layers():
        found = list(rows("cpu" if given.tiny else "cuda", *(TINY if given.tiny else SIZES)))
    if given.json:
        print(json.dumps({"torch": torch.__version__, "rows": found}))
    if not all(row["passed"] for row in found):
        print("\n".join(str(row) for row in found if not row["passed"]), file=sys.stderr)
        sys.exit(1)


def rows(device: str, tokens: int, kept: int) -> Iterator[dict[str, Any]]:
    for precision in ("fp16", "fp32"):
        for name, case in of_model(precision, PICTURES, tokens, kept).items():
            yield {"name": name, "precision": precision, **called(case, device)}
    config = small_config()
    net, image = made(config, 1, device)
    known = forms_of(config)
    (dense, _), (selective, ceiling) = known["dense"], known["g1"]
    shapes = [[feature.shape for feature in way(net, image)[0]] for way in (dense, selective)]
    yield {"name": "encoder", "ceiling": ceiling, "passed": shapes[0] == shapes[1]}


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
