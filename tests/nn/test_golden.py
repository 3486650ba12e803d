"""What the authors' own files give for one picture, as transformers' converters wrote it down.

For whoever has the files: `TOSA_EDGE_GOLDEN` names a folder with `000000039769.jpg` (COCO val2017, 640x480)
and the hub's folders, each with its `model.safetensors` and `config.json`.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from tosa_edge.nn.weights import load_net

PICTURE, SIZE = "000000039769.jpg", (518, 686)
CORNERS = {
    "Depth-Anything-V2-Small-hf": "2.6751 2.6211 2.6571 2.5820 2.6138 2.6271 2.6160 2.6141 2.6306",
    "Depth-Anything-V2-Base-hf": "4.3576 4.3723 4.3908 4.3231 4.3146 4.3611 4.3016 4.3170 4.3121",
    "Depth-Anything-V2-Large-hf": (
        "162.2751 161.8504 162.8788 160.3138 160.8050 161.9835 159.3812 159.9884 160.0768"
    ),
    "Depth-Anything-V2-Metric-Indoor-Small-hf": (
        "1.3349 1.2946 1.2801 1.2793 1.2337 1.2899 1.2629 1.2218 1.2476"
    ),
    "Depth-Anything-V2-Metric-Indoor-Base-hf": (
        "1.4601 1.3824 1.4904 1.5031 1.4349 1.4274 1.4570 1.4578 1.4200"
    ),
    "Depth-Anything-V2-Metric-Indoor-Large-hf": (
        "1.5040 1.5019 1.5218 1.5087 1.5195 1.5149 1.5437 1.5128 1.5252"
    ),
    "Depth-Anything-V2-Metric-Outdoor-Small-hf": (
        "9.5804 8.0339 7.7386 7.9890 7.2464 7.7149 7.7021 7.2330 7.3304"
    ),
    "Depth-Anything-V2-Metric-Outdoor-Base-hf": (
        "10.2916 9.0933 8.8622 9.1964 9.3393 9.0644 8.9618 9.4201 9.2262"
    ),
    "Depth-Anything-V2-Metric-Outdoor-Large-hf": (
        "14.0137 13.3627 13.1080 13.2522 13.3943 13.3705 13.0581 13.4505 13.3925"
    ),
    "Distill-Any-Depth-Small-hf": "2.5653 2.5249 2.5570 2.4897 2.5235 2.5355 2.5255 2.5261 2.5422",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CORNERS)
def test_the_first_pixels_of_a_published_model(name):
    folder = os.environ.get("TOSA_EDGE_GOLDEN", "")
    if not folder:
        pytest.skip("the authors' weights are not here: TOSA_EDGE_GOLDEN names a folder that holds them")
    weights = Path(folder) / name / "model.safetensors"
    if not weights.exists():
        pytest.skip(f"{weights} is not here")
    image = pytest.importorskip("PIL.Image", reason="Pillow, which resized the picture, is not installed")
    with image.open(Path(folder) / PICTURE) as picture:
        seen = np.array(picture.convert("RGB").resize(SIZE[::-1], image.Resampling.BICUBIC))
    net = load_net(weights, SIZE)
    with torch.no_grad():
        corner = net(torch.from_numpy(seen)[None])[0, :3, :3]
    expected = np.array(CORNERS[name].split(), np.float32).reshape(3, 3)
    np.testing.assert_allclose(corner.numpy(), expected, rtol=1e-4, atol=1e-4)
