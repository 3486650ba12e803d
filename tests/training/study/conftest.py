"""Made-up frames with ground truth: planes in perspective, bright where they are near."""

from pathlib import Path

import cv2
import numpy as np
import pytest


def made_up(seed: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture uint8 [H, W, 3] and its depth uint16 [H, W] in millimetres."""
    rng = np.random.default_rng(seed)
    near = np.linspace(0, 1, height)[:, None] * rng.uniform(0.3, 1) + np.linspace(0, rng.uniform(0, 1), width)
    picture = np.clip(100 * near[..., None] + rng.normal(0, 8, (height, width, 3)), 0, 255)
    return picture.astype(np.uint8), (1000 / (0.2 + near)).astype(np.uint16)


def write_frames(folder: Path, names: list[str], first_seed: int = 0) -> Path:
    """Frames that are larger than the tiny model and of another shape."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names, first_seed):
        picture, depth = made_up(seed, 90, 120)
        cv2.imwrite(str(folder / f"{name}.jpg"), picture)
        cv2.imwrite(str(folder / f"{name}.png"), depth)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """`kitchen`: a_0, a_1, b_0; `clip`: six frames, the first of which is the kitchen's a_0; `shards`."""
    from safetensors.numpy import save_file

    from tests.nets import TINY  # reads torch

    write_frames(tmp_path / "kitchen", ["a_0", "a_1", "b_0"])
    write_frames(tmp_path / "clip", ["000000"])
    write_frames(tmp_path / "clip", [f"{n:06d}" for n in range(1, 6)], first_seed=10)
    pairs = [made_up(seed, TINY.height, TINY.width) for seed in range(20, 28)]
    image, depth = (np.stack(some) for some in zip(*pairs, strict=True))
    depth[3] = 0  # as a render that looks out of the window
    (tmp_path / "shards").mkdir()
    save_file({"image": image, "depth": depth}, tmp_path / "shards" / "shard-00000.safetensors")
    return tmp_path
