import numpy as np
from safetensors.numpy import save_file

from tests.nets import TINY, tiny_checkpoint
from tosa_edge.training.study import edges


def ask(tmp_path, ratio, *more):
    depth = np.full((3, TINY.height, TINY.width), 2000, np.uint16)
    depth[:, :, 30:] = int(2000 * ratio)
    image = np.random.default_rng(0).integers(0, 256, (*depth.shape, 3), dtype=np.uint8)
    save_file({"image": image, "depth": depth}, tmp_path / "shard-00000.safetensors")
    return edges.main([str(tiny_checkpoint(tmp_path)), "--shards", str(tmp_path), "--renders", "3", *more])


def test_frames_without_a_step_are_refused(tmp_path, capsys):
    assert ask(tmp_path, 1) == 2
    assert "no frame of" in capsys.readouterr().err


def test_the_rows_are_printed(tmp_path, capsys):
    assert ask(tmp_path, 2) == 0
    found = dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert {"dense", "g1@0.5", "ToMe at g3@0.5", "smaller picture at g1@0.5"} <= set(found)
    assert len(found) == 35  # 21 of them share rows, 3 merge at other shares, 4 are of smaller pictures
    assert all(0 <= float(value) <= 1 for value in found.values())


def test_some_rows_alone(tmp_path, capsys):
    assert ask(tmp_path, 2, "--variants", "^dense$|^ToMe 0") == 0
    found = [line.rsplit(maxsplit=1)[0] for line in capsys.readouterr().out.splitlines()]
    assert found == ["dense", "ToMe 0.04", "ToMe 0.055", "ToMe 0.07"]
