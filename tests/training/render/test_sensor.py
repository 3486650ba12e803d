import numpy as np

from tosa_edge.training.render.sensor import photograph


def test_exposure_suits_dim_and_bright_rooms_alike():
    ramp = np.broadcast_to(np.linspace(0.1, 1, 64, dtype=np.float32)[None, :, None], (48, 64, 3))
    for seed in range(5):
        dim, bright = (photograph(scale * ramp, np.random.default_rng(seed)) for scale in (0.05, 20))
        assert np.abs(dim.astype(int) - bright).mean() < 25
        assert 30 < dim.mean() < 220


def test_one_generator_one_picture():
    light = np.random.default_rng(0).random((48, 64, 3), np.float32)
    first, again, other = (photograph(light, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert (first.dtype, first.shape) == (np.uint8, (48, 64, 3))
