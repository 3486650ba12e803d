"""What a new user meets: help, sources by their names, pictures for pictures, tables at 80 columns."""

from __future__ import annotations

import errno
import functools
import http.server
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from tests import media, tiny
from tosa_edge import __version__
from tosa_edge.cli import VERBS, app, bench, common, evaluate, tables
from tosa_edge.console import counted
from tosa_edge.engine.load import load_graph
from tosa_edge.find_model import ASSETS

BUNDLED = [f"{path.parent.name}:{path.stem}" for path in sorted(ASSETS.glob("*/*.onnx"))]


def call(*arguments: object, code: int = 0):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def run(*arguments: object) -> dict:
    return json.loads(call("run", *arguments, "--json").stdout)


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tiny.save(tmp_path / "m.onnx", tiny.selective_info())
    return tmp_path


def test_the_version():
    assert call("--version").stdout == f"tosa-edge {__version__}\n"


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_every_help_has_two_examples_that_the_verb_takes(verb):
    name = verb.__name__.rpartition(".")[2]
    shown = " ".join(call(name, "-h").stdout.split())
    assert shown == " ".join(call(name, "--help").stdout.split())
    assert len(verb.EXAMPLES) >= 2
    for example in verb.EXAMPLES:
        assert example in shown
        program, called, *arguments = shlex.split(example)
        assert (program, called) == ("tosa-edge", name)
        get_command(app).commands[name].make_context(name, arguments)  # type: ignore[attr-defined]


def test_a_picture_gives_pictures_under_its_own_name(place):
    media.write_picture(place / "room.jpg")
    result = run("room.jpg", "--model", "m.onnx", "--npy")
    assert result["outputs"] == ["run/depth", "run/png", "run/summary.json"]
    assert sorted(str(p.relative_to(place)) for p in (place / "run").rglob("*.*")) == [
        "run/depth/room.npy",
        "run/png/ranges.csv",
        "run/png/room.colour.png",
        "run/png/room.depth.png",
        "run/png/room.panel.png",
        "run/summary.json",
    ]
    depth = np.load("run/depth/room.npy")
    colour = cv2.imread("run/png/room.colour.png").astype(int).sum(axis=2)
    assert colour.shape == depth.shape == (60, 90)
    assert colour[depth > np.percentile(depth, 90)].min() > colour[depth < np.percentile(depth, 10)].max()
    # The file alone says how it is read back.
    text = re.search(rb"tEXtdepth\0([^\n]+?)IDAT", Path("run/png/room.depth.png").read_bytes(), re.DOTALL)
    assert text
    least, most = (float(n) for n in re.findall(rb"(?:; least|, most) ([-\d.e]+)", text[1]))
    levels = cv2.imread("run/png/room.depth.png", cv2.IMREAD_UNCHANGED)
    np.testing.assert_allclose(least + levels / 65535 * (most - least), depth, atol=(most - least) / 65535)


def test_a_folder_keeps_names_and_says_what_it_left_out(place):
    (place / "in/attic").mkdir(parents=True)
    for name in ("hall.jpg", "hall.png", "den.jpg", "attic/box.jpg"):
        media.write_picture(place / "in" / name, seed=len(name))
    media.write_video(place / "in/tour.avi", frames=2, codec="MJPG")
    said = call("run", "in", "-m", "m.onnx", "-o", "a").stderr
    assert "1 video (tour.avi); give each by itself" in said
    assert "1 folder (attic); --recursive takes their pictures" in said
    assert {p.name for p in (place / "a/png").glob("*.colour.png")} == {
        f"{name}.colour.png" for name in ("den", "hall.jpg", "hall.png")
    }
    result = run("in", "-m", "m.onnx", "-o", "b", "--recursive")
    assert (result["frames"], len(result["left_out"])) == (4, 1)
    assert (place / "b/png/attic/box.depth.png").is_file()
    assert "attic/box.depth.png" in (place / "b/png/ranges.csv").read_text()


def test_a_folder_of_videos_names_one(place):
    (place / "in").mkdir()
    media.write_video(place / "in/tour.avi", frames=2, codec="MJPG")
    assert "tosa-edge run in/tour.avi" in call("run", "in", "-m", "m.onnx", code=2).stderr


def test_each_picture_of_a_folder_has_the_whole_range_of_colours(place):
    (place / "in").mkdir()
    for name, low in (("dark", 0), ("light", 180)):
        grey = np.tile(np.linspace(low, low + 60, 90), (60, 1)).astype(np.uint8)
        cv2.imwrite(f"in/{name}.png", np.dstack([grey] * 3))
    run("in", "-m", "m.onnx", "-o", "o")
    for name in ("dark", "light"):
        bright = cv2.imread(f"o/png/{name}.colour.png").astype(int).sum(axis=2)
        assert bright.min() < 60
        assert bright.max() > 500


def test_files_by_pattern_address_and_name_of_either_kind(place):
    for number in (1, 2, 10):
        media.write_picture(place / f"a b{number}.png", seed=number)
    assert run("*.png", "-m", "m.onnx", "-o", "o")["frames"] == 3
    assert run(f"file://{place}/a%20b1.png", "-m", "m.onnx", "-o", "p")["outputs"][0] == "p/png"
    # What a shell makes of *.png is one folder of results too.
    assert run("a b10.png", "a b2.png", "-m", "m.onnx", "-o", "q")["outputs"] == [
        "q/contact_sheet.png",
        "q/png",
        "q/summary.json",
    ]
    assert run("-s", "a b1.png", "--engine", "m.onnx", "--no-files")["outputs"] == []
    assert "no file matches" in call("run", "*.jpg", code=2).stderr
    assert "three slashes" in call("run", "file://host/a.png", code=2).stderr
    assert "no source" in call("run", code=2).stderr


class Served(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/stream":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=xx")
        self.end_headers()
        jpeg = Path(self.directory, "p.jpg").read_bytes()
        part = b"--xx\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
        try:
            while True:
                self.wfile.write(part + jpeg + b"\r\n")
        except OSError:
            pass

    def log_message(self, *about):
        pass


def test_files_pictures_and_streams_of_a_web_server(place):
    media.write_video(place / "v.webm", frames=9)
    media.write_picture(place / "p.jpg")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Served, directory=str(place))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        file = run(f"{url}/v.webm", "-m", "m.onnx", "-o", "v")
        assert (file["frames"], file["dropped"]) == (9, 0)
        assert "age" not in file["stages_ms"]
        run(f"{url}/p.jpg", "-m", "m.onnx", "-o", "p")
        assert (place / "p/png/p.depth.png").is_file()
        stream = run(f"{url}/stream", "-m", "m.onnx", "--frames", 3)
        assert (stream["frames"], stream["outputs"]) == (3, [])
        assert "age" in stream["stages_ms"]
        for name in ("none.webm", "none.jpg"):
            assert f"{url}/{name}" in call("run", f"{url}/{name}", "-m", "m.onnx", code=2).stderr
    finally:
        server.shutdown()
        server.server_close()


def test_one_known_distance_says_how_unsure_it_is(place):
    media.write_picture(place / "p.png")
    one = run("p.png", "-m", "m.onnx", "--metres", "40,30=2", "-o", "a")
    metric = one["metric"]
    assert metric["far_least_m"] < metric["far_m"] < metric["far_most_m"]
    assert metric["known"] == [{"x": 40, "y": 30, "metres": 2.0}]
    assert json.loads((place / "a/summary.json").read_text())["metric"] == metric
    assert "is a guess" in metric["note"].replace("are a guess", "is a guess")
    relative = run("p.png", "-m", "m.onnx", "--npy", "-o", "b") and np.load("b/depth/p.npy")
    levels = cv2.imread("a/png/p.depth.png", cv2.IMREAD_UNCHANGED) / 1000
    np.testing.assert_allclose(levels, 1 / (metric["a"] * relative + metric["b"]), atol=0.001)
    two = call("run", "p.png", "-m", "m.onnx", "--metres", "5,5=3", "--metres", "80,55=1", "-o", "c")
    assert "fit both known distances" in two.stderr


def test_a_field_of_view_that_is_assumed_is_told(place):
    media.write_picture(place / "p.png")
    points = ("run", "p.png", "-m", "m.onnx", "--ply")
    assert "a field of view of 60 degrees is assumed" in call(*points).stderr
    assert "assumed" not in call(*points, "--fov", 70).stderr


def test_a_camera_without_its_size_is_told_what_it_lacks(place):
    media.write_picture(place / "p.png")
    (place / "camera.json").write_text('{"fx": 500, "fy": 500, "cx": 45, "cy": 30}')
    said = call("run", "p.png", "-m", "m.onnx", "--intrinsics", "camera.json", "--ply", code=2).stderr
    assert "it lacks width" in said


ROW = {
    "provider": "cpu",
    "kept": 216,
    "tokens": 432,
    "query_stride": 8,
    "group": 3,
    "p50_ms": 123.456,
    "ratio": 1.4242,
    "ratio_p10": 1.3131,
    "ratio_p90": 1.5151,
    "peak_mb": 123.4,
    "power_w": 12.34,
    "temp_c": 56.7,
    "size": "252x336",
    "backend": "onnxruntime",
    "mean_ms": 123.456,
    "delta1": 0.8989,
    "loss": 0.0123,
    "refreshed": 0.2,
}
RESULT = {
    "machine": {"cpu": "Some Processor", "onnxruntime": "1.31.1"},
    "threads": 2,
    "rounds": 30,
    "frames": 120,
    "model": "tosa_depth_s",
    "clip": "/a/folder/[of]/frames",
    "baseline": "the first",
}


@pytest.mark.parametrize("width", [80, 50])
def test_tables_cut_no_number(width):
    screen = io.StringIO()
    to = type(common.console)(file=screen, width=width, markup=False)
    engine = "tosa_depth_s-g3.reuse-252x336-b1.fp16.tensorrt-rtx.sm89.engine"
    bench._say({**RESULT, "rows": [{**ROW, "name": engine}]}, to)
    along = "tosa_depth_s:g1 every 30, tosa_depth_s:g3.reuse between"
    bench._say_along({**RESULT, "rows": [{**ROW, "name": along}]}, to)
    scores = {"absrel": 0.1234, "rmse": 0.2345, "delta1": 0.3456, "delta2": 0.4567, "delta3": 0.5678}
    part = {**scores, "n": 1234, "baselines": {"constant": scores, "ramp": scores}}
    about = {"model": engine, "data": "/a/[b]/c", "range_m": (0.1, 10), "alignment": "scale and shift"}
    evaluate._say({**about, **part, "groups": {"a_group_with_a_long_name": part, "b": part}}, to)
    shown = screen.getvalue()
    assert "…" not in shown
    for number in ("216/432", "123.5", "1.42", "1.31..1.52", "123.4", "12.34", "56.7", "0.899", "1.2%"):
        assert number in shown
    for number in ("1234", "0.123", "0.234", "0.346", "0.457", "0.568", "[of]", "[b]"):
        assert number in shown
    if width == 80:
        assert max(map(len, shown.splitlines())) <= 80


def test_a_folder_of_engines_is_benched_whole(place):
    (place / "engines").mkdir()
    for name in ("a", "b"):
        tiny.save(place / f"engines/{name}.onnx")
    result = json.loads(call("bench", "engines", "--rounds", 1, "--json").stdout)
    assert [row["name"] for row in result["rows"]] == ["a", "b"]
    said = call("run", "engines/a.onnx", "-m", "engines", code=2).stderr
    assert "holds 2 models" in said
    assert "engines/a.onnx" in said


def test_one_is_one_and_nothing_has_no_sign():
    assert (counted(1, "frame"), counted(0, "frame")) == ("1 frame", "0 frames")
    assert f"{tables.unsigned_zero(-0.0004, 3):.1%} {tables.unsigned_zero(-0.0006, 3):.1%}" == "0.0% -0.1%"


def test_of_a_folder_the_engines_that_fit_are_benched(place):
    for name in ("a", "b"):
        call("build", "m.onnx", "--no-validate", "-o", f"engines/{name}.onnx")
    beside = place / "engines/a.onnx.json"
    manifest = json.loads(beside.read_text())
    beside.write_text(json.dumps({**manifest, "backend_version": "1.0.0"}))
    told = call("bench", "engines", "--rounds", 1, "--json")
    result = json.loads(told.stdout)
    assert [row["name"] for row in result["rows"]] == ["b"]
    assert "engines/a.onnx" in result["left_out"][0]
    assert "left out: engines/a.onnx" in told.stderr
    (place / "engines/b.onnx").unlink()
    assert "a.onnx" in call("bench", "engines", code=2).stderr


def test_a_build_says_beforehand_what_it_makes_and_how_large(place):
    said = call("build", "m.onnx", "--no-validate", "-o", "e").stderr
    assert said.index("building m in fp32 for ONNX Runtime: e/m-g1-") < said.index("built in")
    assert "about 0 MB" in said


def test_half_on_a_cpu_is_told_to_be_as_large(place):
    model = place / "half"
    model.mkdir()
    tiny.save(model / "g1.onnx", tiny.selective_info(precision="fp16"))
    said = call("build", "half/g1.onnx", "--backend", "onnxruntime", "--no-validate").stderr
    assert "as large as that of fp32, and no faster" in said.replace("\n", " ")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name.endswith("_t:g3") else pytest.mark.slow) for name in BUNDLED],
)
def test_every_bundled_variant_becomes_one_file(place, name):
    """Nothing is traced: the graph is the variant's own, and needs nothing beside it."""
    call("export", name, "-o", "one.onnx")
    proto, wanted = onnx.load("one.onnx", load_external_data=False), load_graph(name)
    assert all(t.data_location == onnx.TensorProto.DEFAULT for t in proto.graph.initializer)
    assert proto.SerializeToString(deterministic=True) == wanted.proto.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["tosa_depth_t:g3", "-o", "x.onnx", "--keep", "0.4"], "--keep would make another"),
        (["tosa_depth_t:g3", "-o", "folder"], "no file for it"),
        (["tosa_depth_t:g3", "-o", "x.onnx", "--form", "reuse"], "is the portable form"),
        (["tosa_depth_t:g9", "-o", "x.onnx"], "no variant 'g9'"),
        (["tosa_depth_t", "-o", "x.onnx", "--dense", "--keep", "0.5"], "--dense selects nothing, so --keep"),
    ],
)
def test_exports_that_contradict_themselves(place, arguments, what):
    assert what in call("export", *arguments, code=2).stderr
    assert not (place / "x.onnx").exists()


def test_an_out_that_is_a_file_is_called_one(place):
    media.write_picture(place / "p.png")
    said = call("run", "p.png", "-m", "m.onnx", "-o", "m.onnx", code=2).stderr
    assert "m.onnx is a file, and a folder is to be there" in said


def test_what_may_not_be_read_is_not_taken_for_what_may_not_be_written(place, monkeypatch):
    media.write_picture(place / "p.png")
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.R_OK)  # tests may run as root
    said = call("run", "p.png", "-m", "m.onnx", code=2).stderr
    assert "p.png cannot be read: permission denied" in said
    denied = PermissionError(errno.EACCES, "Permission denied", "p.png")
    assert "right to read it" in common._from_system(denied).remedy
    monkeypatch.undo()
    assert "read and write" in common._from_system(denied).remedy


def shell(command: str, folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=folder, capture_output=True, text=True
    )


def test_an_answer_that_nobody_takes(place):
    inspect = f"{sys.executable} -m tosa_edge inspect m.onnx --json"
    assert shell(f"{inspect.replace(' --json', '')} | true", place).returncode == 0
    full = shell(f"{inspect} > /dev/full", place)
    assert full.returncode == 2
    assert "the answer cannot be written: no space left" in full.stderr
    assert "Traceback" not in full.stderr
    assert shell(f"{inspect} > /dev/full 2> /dev/full", place).returncode == 2
    gone = shell(f"(sleep 0.1; {inspect} 2>errors) | true", place)
    assert (gone.returncode, gone.stderr) == (0, "")
    assert "Traceback" not in (place / "errors").read_text()


def test_training_programs_without_their_packages(place):
    for module, package, extra in (
        ("study", "torch", "train"),
        ("study.edges", "torch", "train"),
        ("render", "embreex", "render"),
    ):
        package = package if find_spec("safetensors") else "safetensors"  # which is asked for first
        # What `python -m` does, with the package hidden.
        code = (
            f"import sys, runpy; sys.modules['{package}'] = None; sys.argv = ['-m']; "
            f"sys.orig_argv = ['python', '-m', 'tosa_edge.training.{module}']; "
            f"runpy.run_module('tosa_edge.training.{module}', run_name='__main__', alter_sys=True)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 3, done.stderr
        assert done.stderr.splitlines() == [
            f"training needs the package {package}",
            f"Install it: pip install 'tosa-edge[{extra}]'.",
        ]


def test_programs_for_a_clone_where_a_wheel_is_installed():
    for module, extra in (("study", "train"), ("study.edges", "train"), ("render", "render")):
        part = module.partition(".")[0]
        code = (
            "import sys, runpy, importlib.util as util; find = util.find_spec; sys.argv = ['-m']; "
            f"util.find_spec = lambda name: None if name == 'tosa_edge.training.{part}' else find(name); "
            f"sys.orig_argv = ['python', '-m', 'tosa_edge.training.{module}']; "
            f"runpy.run_module('tosa_edge.training.{module}', run_name='__main__', alter_sys=True)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.returncode, done.stderr.splitlines()) == (
            3,
            [
                f"this installation has no tosa_edge.training.{part}: no wheel has",
                f"Use a clone of the repository: pip install -e '.[{extra}]' in it.",
            ],
        )


def test_ctrl_c_stays_ctrl_c_where_a_library_catches_it():
    def verb() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        except KeyboardInterrupt:
            raise RuntimeError("a long report of an exporter") from None

    with pytest.raises(KeyboardInterrupt):
        common.report_errors(verb)()
    with pytest.raises(RuntimeError, match="its own"):
        common.report_errors(lambda: (_ for _ in ()).throw(RuntimeError("its own")))()
