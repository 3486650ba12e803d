import numpy as np

from tosa_edge.evaluation.edges import NEAR, delta1_near_edges, near_edges


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
