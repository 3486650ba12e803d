"""The whole study on a tiny model: scores, tables, going on, and agreement with `tosa-edge evaluate`."""

import json

import numpy as np
import pytest
import torch

from tests.nets import TINY, tiny_checkpoint, tiny_net
from tosa_edge.backends import Backend
from tosa_edge.depth_model import DepthModel
from tosa_edge.evaluation.depth_data import find_pairs, read_samples
from tosa_edge.evaluation.evaluate import evaluate
from tosa_edge.graph_info import GraphInfo
from tosa_edge.nn.tosa import Pattern
from tosa_edge.nn.weights import load_net, save_net
from tosa_edge.training.study import __main__ as command
from tosa_edge.training.study import run
from tosa_edge.training.study.frame_sets import read_folder
from tosa_edge.training.study.score import net_in, score_frames, score_nothing

SIZE = (TINY.height, TINY.width)


class TorchBackend(Backend):
    """A model in PyTorch where the runtime expects a graph."""

    inputs = outputs = ()

    def __init__(self, net):
        self.net = net

    def activate(self):
        pass

    def deactivate(self):
        pass

    def infer(self, feeds):
        with torch.no_grad():
            return {"depth": self.net(torch.from_numpy(feeds["image"])).numpy()}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture
def study(data, checkpoint, monkeypatch):
    """Runs the command on the made-up data; says how many frames were scored."""
    scored = []
    real = run.score_frames

    def counting(net, frames, *args, **kwargs):
        scored.extend(frames)
        return real(net, frames, *args, **kwargs)

    monkeypatch.setattr(run, "score_frames", counting)

    def run_study(*options, weights=("--weights", f"both={checkpoint}")):
        scored.clear()
        arguments = [*weights, "--data", f"kitchen={data}/kitchen", "--data", f"clip={data}/clip"]
        arguments += ["--shards", f"{data}/shards", "-o", f"{data}/out/study.md", "--float32", *options]
        assert command.main([str(a) for a in arguments]) == 0
        return len(scored)

    return run_study


def written(data):
    return json.loads((data / "out/study.json").read_text()), (data / "out/study.md").read_text()


def test_dense_agrees_with_evaluate(data, checkpoint):
    about = GraphInfo("tiny", *SIZE, TINY.patch, TINY.output, "", "")
    model = DepthModel(TorchBackend(load_net(checkpoint)), about, "tiny")
    expected = evaluate(model, read_samples(find_pairs(data / "clip")))
    frames = read_folder("clip", data / "clip", SIZE).frames
    scores = score_frames(net_in(checkpoint, torch.float32), frames, Pattern(), batch=4)
    for name in ("delta1", "absrel"):
        assert np.mean(scores[name]) == pytest.approx(expected[name], abs=6e-5)
        for kind, baseline in score_nothing(frames).items():
            assert np.mean(baseline[name]) == pytest.approx(expected["baselines"][kind][name], abs=6e-5)


def test_bfloat16_comes_near(data, checkpoint):
    frames = read_folder("clip", data / "clip", SIZE).frames
    exact, rough = (
        score_frames(net_in(checkpoint, kind), frames, Pattern(), batch=4)
        for kind in (torch.float32, torch.bfloat16)
    )
    assert np.mean(rough["absrel"]) == pytest.approx(np.mean(exact["absrel"]), rel=0.05)


def test_a_study_is_written_and_not_done_again(study, data):
    rows = ("--variants", "^both: (dense|g1@0.9|g3@0.9)$", "--block", "1")
    assert study(*rows) == 3 * (3 + 6 + 7)
    scores, table = written(data)
    dense = scores["weights"]["both"]["variants"]["dense"]["scores"]
    assert {name: len(s["delta1"]) for name, s in dense.items()} == {"kitchen": 3, "clip": 6, "renders": 7}
    assert table.count("\n| both | dense | ") == 2  # a row of its own, and flicker's
    assert "| clip | 6 |" in table
    assert study(*rows) == 0
    assert written(data) == (scores, table)


@pytest.mark.slow
def test_the_whole_study_is_written_and_not_done_again(study, data):
    assert study("--sweep-limit", "2", "--block", "1") == 55 * (3 + 6 + 7) + 12 * (2 + 2 + 2)
    scores, table = written(data)
    variants = scores["weights"]["both"]["variants"]
    assert len(variants) == 67
    dense = variants["dense"]["scores"]
    assert {name: len(s["delta1"]) for name, s in dense.items()} == {"kitchen": 3, "clip": 6, "renders": 7}
    assert len(dense["clip"]["flicker once"]) == 5
    assert "flicker each" not in variants["g1@0.3"]["scores"]["clip"]
    rows = [line for line in table.splitlines() if line.startswith("| both |")]
    assert len(rows) == 67 + 21 + 55  # and sharing against sizes, and flicker's
    assert rows[0].startswith("| both | dense | ")
    assert "| 100.0% |" in rows[0]
    assert "[" in rows[1]
    assert "| clip | 6 |" in table
    assert study("--sweep-limit", "2", "--block", "1") == 0
    assert written(data) == (scores, table)


def test_sharing_is_compared_with_smaller_pictures(study, data):
    assert study("--variants", r"^both: (dense|\d+x\d+|windows=0.2,0.4:\S+)$", "--block", "1") == 6 * 16
    scores, table = written(data)
    variants = scores["weights"]["both"]["variants"]
    (size, *_), (sharing,) = ([v for v in variants if mark in v] for mark in ("x", "windows"))
    head, _, row = table.split("in favour of sharing.\n\n")[1].splitlines()[:3]
    cells = dict(zip(head.split(" | "), row.split(" | "), strict=True))
    means = [np.mean(variants[v]["scores"]["kitchen"]["delta1"]) for v in (size, sharing)]
    expected = 100 * (means[0] - means[1]) / means[0]
    assert float(cells[f"on kitchen against {size}, %"].split()[0]) == pytest.approx(expected, abs=6e-3)


def test_a_study_grows(study, data):
    assert study("--variants", "^both: dense$", "--quick") == 3 + 6 + 7
    assert study("--variants", "g1@0.9$", "--sweep-limit", "2") == 6
    before, table = written(data)
    assert "| both | g1@0.9 |" in table
    assert study("--variants", "g1@0.9$", "--sweep-limit", "6") == 1 + 4 + 4
    after, _ = written(data)
    old, new = (s["weights"]["both"]["variants"]["g1@0.9"]["scores"]["clip"] for s in (before, after))
    assert new["frames"] == list(range(6))
    assert [new["delta1"][i] for i in old["frames"]] == old["delta1"]


def test_other_checkpoints_have_the_core_rows(study, data, checkpoint):
    save_net(tiny_net(seed=1), data / "other.safetensors")
    weights = ("--weights", f"both={checkpoint}", "--weights", f"stage one={data}/other.safetensors")
    assert study("--variants", "stage one|dense", weights=weights) == 6 * (3 + 6 + 7)
    scores, _ = written(data)
    assert list(scores["weights"]["both"]["variants"]) == ["dense"]
    assert len(scores["weights"]["stage one"]["variants"]) == 5


def test_scores_of_other_weights_or_other_frames_are_dropped(study, data, checkpoint):
    study("--variants", "dense")
    save_net(tiny_net(seed=1), data / "other.safetensors")
    other = ("--weights", f"both={data}/other.safetensors")
    assert study("--variants", "dense", weights=other) == 16
    (data / "clip" / "000005.jpg").unlink()
    assert study("--variants", "dense", weights=other) == 5
    scores, _ = written(data)
    assert len(scores["sets"]["clip"]["frames"]) == 5


def test_a_frame_of_two_sets_counts_once_in_all_of_them(study, data):
    from tosa_edge.training.study.results import Results
    from tosa_edge.training.study.tables import Report

    study("--variants", "dense|g3@0.5$")
    report = Report(Results.open(data / "out/study.json"), [], "clip", frozenset(), resamples=10)
    sets = report.results.sets
    assert sets["kitchen"]["frames"][0] == sets["clip"]["frames"][0]
    for variant in report.results.weights["both"]["variants"].values():
        variant["scores"]["clip"]["delta1"][0] = 1e6  # would be seen
    assert abs(report.loss("both", "g3@0.5", ["kitchen", "clip"]).percent) > 0
    pooled = report.loss("both", "g3@0.5", ["kitchen", "clip"])
    for variant in report.results.weights["both"]["variants"].values():
        variant["scores"]["clip"]["delta1"][0] = 0.0
    assert report.loss("both", "g3@0.5", ["kitchen", "clip"]) == pooled


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--data", "kitchen"], "--data kitchen is not NAME=PATH"),
        (["--data", "a=nowhere/at/all"], "there is no folder nowhere"),
        (["--data", "renders=x", "--shards", "y"], "two sets are called 'renders'"),
        ([], "no frames to measure on"),
        (["--variants", "("], "--variants ("),
        (["--weights", "two=nothing.safetensors"], "there is no checkpoint 'nothing.safetensors'"),
    ],
)
def test_what_is_wrong_is_said(options, what, checkpoint, tmp_path, capsys):
    arguments = ["--weights", f"both={checkpoint}", "-o", str(tmp_path / "study.md"), *options]
    assert command.main(arguments) == 2
    assert what in capsys.readouterr().err
    assert not (tmp_path / "study.md").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1}', '{"version": 0, "sets": {}, "weights": {}}'])
def test_a_file_that_holds_no_scores_is_left_alone(text, data, checkpoint, capsys):
    (data / "scores.json").write_text(text)
    arguments = ["--weights", f"both={checkpoint}", "--data", f"clip={data}/clip"]
    arguments += ["--scores", f"{data}/scores.json", "-o", f"{data}/study.md"]
    assert command.main(arguments) == 2
    assert "Give another --scores" in capsys.readouterr().err
    assert (data / "scores.json").read_text() == text


def test_models_of_another_shape_are_refused(data, checkpoint, capsys):
    from dataclasses import replace

    save_net(tiny_net(config=replace(TINY, head_dim=32)), data / "wide.safetensors")
    weights = ["--weights", f"both={checkpoint}", "--weights", f"wide={data}/wide.safetensors"]
    assert command.main([*weights, "--data", f"clip={data}/clip", "-o", f"{data}/study.md"]) == 2
    assert "another shape" in capsys.readouterr().err
