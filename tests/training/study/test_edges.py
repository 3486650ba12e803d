import numpy as np
from safetensors.numpy import save_file

from tests.nets import TINY, tiny_checkpoint
from tosa_edge.training.study import edges
from tosa_edge.training.study.edges import NEAR, delta1_near_edges, near_edges


def two_walls(ratio, valid=True):
    """A wall at 2 m and one farther away, side by side from column 20 on."""
    truth = np.full((30, 40), 2, np.float32)
    truth[:, 20:] *= ratio
    return truth, np.full(truth.shape, valid)


def test_only_what_is_near_a_step_counts():
    columns = np.flatnonzero(near_edges(*two_walls(1.5)).all(0))
    assert columns.tolist() == list(range(20 - NEAR, 20 + NEAR))
    assert not near_edges(*two_walls(1.1)).any()


def test_a_hole_is_no_step():
    truth, valid = two_walls(1)
    truth[10:15, 10:15], valid[10:15, 10:15] = 0, False
    assert not near_edges(truth, valid).any()


def test_a_blurred_edge_costs_there_and_nowhere_else():
    truth, valid = two_walls(2)
    assert delta1_near_edges(1 / truth, truth, valid) == 1
    blurred = 1 / truth
    blurred[:, 17:23] = np.linspace(blurred[0, 16], blurred[0, 23], 6)
    assert delta1_near_edges(blurred, truth, valid) < 0.9
    assert np.isnan(delta1_near_edges(1 / truth, *two_walls(1)))


def ask(tmp_path, ratio):
    depth = np.full((3, TINY.height, TINY.width), 2000, np.uint16)
    depth[:, :, 30:] = int(2000 * ratio)
    image = np.random.default_rng(0).integers(0, 256, (*depth.shape, 3), dtype=np.uint8)
    save_file({"image": image, "depth": depth}, tmp_path / "shard-00000.safetensors")
    return edges.main([str(tiny_checkpoint(tmp_path)), "--shards", str(tmp_path), "--renders", "3"])


def test_frames_without_a_step_are_refused(tmp_path, capsys):
    assert ask(tmp_path, 1) == 2
    assert "no frame of" in capsys.readouterr().err


def test_the_rows_are_printed(tmp_path, capsys):
    assert ask(tmp_path, 2) == 0
    found = dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert {"dense", "g1@0.5", "ToMe at g3@0.5", "smaller picture at g1@0.5"} <= set(found)
    assert len(found) == 9
    assert all(0 <= float(value) <= 1 for value in found.values())
