import json
import re

import pytest

from tosa_edge.training.study import front

SPEC = "windows=0.2,0.4:1-3"


@pytest.fixture
def scores(tmp_path):
    """Ten frames: dense is right about all, sharing about nine tenths."""
    about = {"digest": "d", "frames": [str(n) for n in range(10)]}
    variants = {
        name: {
            "settings": "",
            "gflop": 1,
            "share": 1,
            "scores": {"real": {"frames": [*range(10)], "delta1": ones}},
        }
        for name, ones in (("dense", [1.0] * 10), (SPEC, [0.9] * 10), ("ToMe at g3@0.5", [0.8] * 10))
    }
    weights = {"both": {"digest": "w", "compute": "float32", "variants": variants}}
    path = tmp_path / "study.json"
    path.write_text(json.dumps({"version": 1, "sets": {"real": about}, "weights": weights}))
    return path


@pytest.fixture
def bench(tmp_path):
    rows = [
        {"name": name, "ratio": ratio, "p50_ms": 100 / ratio}
        for name, ratio in (("tosa_depth_s:dense", 1.0), ("tosa_depth_s:fast", 2.0), ("ToMe", 1.5))
    ]
    path = tmp_path / "bench.json"
    path.write_text(json.dumps({"rows": rows, "machine": {"cpu": "a processor", "cores": 2}}))
    return path


def draw(scores, bench, out, *points):
    asked = [word for point in points for word in ("--point", point)]
    return front.main(["--scores", str(scores), "--bench", str(bench), *asked, "-o", str(out)])


def test_what_is_slower_and_worse_is_not_on_the_front(scores, bench, tmp_path):
    out = tmp_path / "front.svg"
    assert draw(scores, bench, out, f"fast={SPEC}", "ToMe=ToMe at g3@0.5") == 0
    drawn = out.read_text()
    assert drawn.count("<circle") == 3
    assert ">fast<" in drawn
    assert len(re.search('polyline points="(.*?)"', drawn)[1].split()) == 2  # dense and fast
    assert "20.0 %" in drawn
    assert "2.00x" in drawn
    assert "a processor, 2 cores" in drawn


@pytest.mark.parametrize(
    ("point", "says"),
    [
        ("fast=groups=0.2:1-3", "no row 'groups=0.2:1-3'"),
        (f"slow={SPEC}", "no row 'slow'"),
        ("fast", "no row ''"),
    ],
)
def test_what_was_not_measured_is_not_drawn(scores, bench, tmp_path, capsys, point, says):
    assert draw(scores, bench, tmp_path / "front.svg", point) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "front.svg").exists()


def test_files_that_are_something_else(scores, bench, tmp_path, capsys):
    assert draw(scores, scores, tmp_path / "front.svg", f"fast={SPEC}") == 2
    assert "is not what bench printed" in capsys.readouterr().err
    assert draw(bench, bench, tmp_path / "front.svg", f"fast={SPEC}") == 2
    assert "does not hold a study's scores" in capsys.readouterr().err
