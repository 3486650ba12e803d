import pytest

from tests import media


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test may find, or leave, a table in the home of whoever runs it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def few_bins(monkeypatch):
    """Entropy's time grows with their square."""
    monkeypatch.setattr("tosa_edge.calibration.ranges.BINS", 256)


@pytest.fixture
def graph():
    """Token-selective, four blocks, 17 layers to quantise."""
    from tests.calibration.make import tiny_graph  # reads torch

    return tiny_graph()


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(4):
        media.write_picture(folder / f"{seed}.jpg", 70, 100, seed)
    return folder
