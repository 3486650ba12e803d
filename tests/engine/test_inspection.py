"""`tosa-edge inspect` on engines: what they are made of, whether they fit; what does not is not opened."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from tests import media, tiny
from tests.builders import BACKENDS
from tests.engine.samples import ORIN, RTX4070, for_rtx, machine, on_jetson
from tosa_edge.builder.build import build
from tosa_edge.cli import app
from tosa_edge.engine import inspection
from tosa_edge.engine.compatibility import EngineFile
from tosa_edge.engine.inspection import describe_engine, verdict
from tosa_edge.engine.names import manifest_path
from tosa_edge.engine.this_machine import this_machine
from tosa_edge.errors import TosaEdgeError
from tosa_edge.inspection import describe


@pytest.fixture(params=BACKENDS)
def engine(request, tmp_path):
    model = tiny.save(tmp_path / "m.onnx", tiny.selective_info())
    return build(str(model), backend=request.param, out=tmp_path / "e", validate=False).engine


def call(*arguments):
    return CliRunner().invoke(app, ["inspect", *map(str, arguments)])


def edit(engine, **changes):
    beside = manifest_path(engine)
    beside.write_text(json.dumps({**json.loads(beside.read_text()), **changes}))


def test_says_all_that_the_manifest_says(engine):
    result = call(engine, "--json")
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["manifest"] == json.loads(manifest_path(engine).read_text())
    assert answer["file_bytes"] == engine.stat().st_size
    assert answer["layers"]["plugins"] == 0
    shown = call(engine).stdout
    for heading in ("this machine", "built", "precision, form", "settings", "validation", "layers"):
        assert heading in shown
    if answer["manifest"]["backend"] == "onnxruntime":
        assert answer["fit"] == {"fits": True, "reason": "", "rebuild": "", "elsewhere": False}
        assert answer["info"]["kept"] == tiny.KEPT  # it is a graph still
        assert "the graph that ONNX Runtime optimised" in answer["layers"]["seen_in"]
    elif this_machine().gpu is None:
        assert not answer["fit"]["fits"]
        assert answer["fit"]["elsewhere"]
        assert "needs an NVIDIA GPU" in answer["fit"]["reason"]
        assert "--backend onnxruntime" in answer["fit"]["rebuild"]
        assert answer["layers"]["seen_in"] == "the network that its builder parsed"
        assert answer["layers"]["kinds"]["topk fp32"] == 2
        assert "before TensorRT fused it" in answer["layers"]["note"]


@pytest.mark.parametrize("spoil", ["cut", "zeroed", "edited", "no manifest", "newer"])
def test_two_lines_for_one_that_is_not_whole(engine, spoil):
    what = {
        "cut": "is cut short",
        "zeroed": "is not the file its manifest describes",
        "edited": "is not a manifest that can be trusted",
        "no manifest": "without its manifest",
        "newer": "newer tosa-edge",
    }[spoil]
    if spoil == "cut":
        media.cut(engine)
    elif spoil == "zeroed":
        media.zeroed(engine)
    elif spoil == "edited":
        edit(engine, precision="fp8")
    elif spoil == "newer":
        edit(engine, format=99)
    else:
        manifest_path(engine).unlink()
    result = call(engine)
    assert result.exit_code == 2
    assert result.stdout == ""
    error, remedy = result.stderr.strip().splitlines()
    assert what in error
    assert "tosa-edge build" in remedy
    assert call(engine, "--json").exit_code == 2


def test_one_for_another_machine_is_shown_and_not_opened(engine, monkeypatch):
    def opened(*arguments):
        raise AssertionError("a foreign engine was opened")

    monkeypatch.setattr(inspection, "open_engine", opened)
    edit(engine, backend_version="0.1")
    facts, graph = describe_engine(engine, machine(RTX4070))
    assert not facts["fit"]["fits"]
    assert "was built for" in facts["fit"]["reason"]
    assert facts["fit"]["rebuild"].startswith("tosa-edge build ")
    assert (graph is not None) == (facts["manifest"]["backend"] == "onnxruntime")


@pytest.mark.parametrize(
    ("made", "here", "fits", "elsewhere"),
    [
        (for_rtx(), machine(RTX4070), True, False),
        (for_rtx(), machine(), False, True),
        (for_rtx(targets=(120,)), machine(RTX4070), False, False),
        (on_jetson(), machine(ORIN), True, False),
        (on_jetson(), machine(RTX4070), False, False),
    ],
)
def test_the_verdict(tmp_path, made, here, fits, elsewhere):
    lying = EngineFile(tmp_path / "e.engine", made.engine_bytes, made.engine_sha256)
    found = verdict(replace(made, source="/nowhere.onnx"), here, lying)
    assert (found["fits"], found["elsewhere"]) == (fits, elsewhere)
    assert bool(found["reason"]) == bool(found["rebuild"]) == (not fits)


class Inspected:
    """An engine as TensorRT opens it."""

    def create_engine_inspector(self):
        return self

    def get_engine_information(self, how):
        return self.text


@pytest.mark.parametrize(("text", "seen_in"), [('{"Layers": ["a + b"]}', "inspector"), ("{}", "builder")])
def test_one_that_fits_is_asked_itself(engine, monkeypatch, text, seen_in):
    if engine.suffix != ".engine":
        pytest.skip("TensorRT's alone")
    opened = Inspected()
    opened.text = text
    monkeypatch.setattr(inspection, "open_engine", lambda *arguments: opened)
    version = json.loads(manifest_path(engine).read_text())["backend_version"]
    here = machine(RTX4070, versions={"tensorrt-rtx": version})
    facts, _ = describe_engine(engine, here)
    assert facts["fit"]["fits"]
    assert seen_in in facts["layers"]["seen_in"]


def test_a_damaged_word_about_its_calibration(tmp_path):
    made = tiny.model()
    made.metadata_props.add(key="tosa_calibration", value='{"a": 1, "a": 2}')
    path = tmp_path / "m.onnx"
    path.write_bytes(made.SerializeToString())
    with pytest.raises(TosaEdgeError, match="its calibration is damaged"):
        describe(str(path))
