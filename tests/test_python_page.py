"""Each verb and the function that does the same: docs/python.md says them side by side, and both are true."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import cv2
import numpy as np
import pytest
from typer.main import get_command

import tosa_edge
from tests import media
from tosa_edge.cli import app
from tosa_edge.errors import TosaEdgeError
from tosa_edge.find_model import WEIGHTS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/python.md").read_text()
VERBS = get_command(app).commands
SECTIONS = dict(re.findall(r"^## (\w+)$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
TWINS = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", PAGE, re.MULTILINE))
# Options under another name, since Python keeps theirs.
OTHER_NAMES = {"for": "target", "as": "form", "input": "inputs"}
# What no function takes: it answers, and does not print; and `run` takes its sources in one place.
NO_PARAMETERS = {"json", "help", "source"}
SLOW = {"tune": pytest.mark.long, "distill": pytest.mark.slow, "train": pytest.mark.slow}
# `bench --against` is another measurement, and has a function of its own.
AGAINST = {"against", "data", "out", "limit", "force"}


def block(section: str, language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return found


def keyword(option: str) -> str:
    name = option.lstrip("-").replace("-", "_")
    return OTHER_NAMES.get(name, name)


def long_name(parameter: Any) -> str:
    """The first of an option's names: `--model` of `-m`, `--model`, `--engine`."""
    return next(name for name in parameter.opts if name.startswith("--"))


def options_of(verb: str) -> dict[str, Any]:
    found = {keyword(long_name(p)): p for p in VERBS[verb].params if any(o.startswith("--") for o in p.opts)}
    left_out = NO_PARAMETERS | (AGAINST if verb == "bench" else set())
    return {name: parameter for name, parameter in found.items() if name not in left_out}


def test_bench_against_has_its_own_function():
    parameters = inspect.signature(tosa_edge.compare_ways).parameters
    assert AGAINST - {"against"} <= {*parameters}
    assert {keyword(long_name(p)) for p in VERBS["bench"].params if p.opts[0].startswith("-")} >= AGAINST
    for part in ("Args:\n", "Returns:\n", "Example:\n    >>> "):
        assert part in inspect.getdoc(tosa_edge.compare_ways)


def test_every_verb_but_the_demo_has_a_function_and_a_section():
    assert set(TWINS) == set(VERBS) - {"demo"}
    assert {*TWINS} <= {*SECTIONS}
    assert {*TWINS.values()} <= {*tosa_edge.__all__}
    for section in (SECTIONS[verb] for verb in TWINS):
        assert len(block(section, "python").strip().splitlines()) <= 5


@pytest.mark.parametrize("verb", TWINS)
def test_a_function_takes_what_its_verb_takes_and_is_explained(verb):
    twin = getattr(tosa_edge, TWINS[verb])
    parameters = inspect.signature(twin).parameters
    assert {*options_of(verb)} <= {*parameters}
    for name, option in options_of(verb).items():
        ours = parameters[name].default
        if option.required:
            assert ours is inspect.Parameter.empty, name
        elif ours not in (None, "", ()):  # those leave it to what is usual
            assert str(ours) == str(option.default), name
    assert all(p.annotation is not inspect.Parameter.empty for p in parameters.values())
    text = inspect.getdoc(twin)
    for part in ("Returns:\n", "Example:\n    >>> ") + (("Args:\n",) if parameters else ()):
        assert part in text, part
    told = {
        name for line in re.findall(r"^    ([a-z_, ]+): ", text, re.MULTILINE) for name in line.split(", ")
    }
    assert {*parameters} - {"on_step", "say"} <= told


def test_what_nobody_says_to_export_is_what_its_verb_shows():
    from tosa_edge.find_model import DEFAULT_SPREAD
    from tosa_edge.verbs import export

    usual = {name: parameter.default for name, parameter in options_of("export").items()}
    assert (usual["keep"], usual["query_stride"], usual["group"]) == (
        export.KEEP,
        export.QUERY_STRIDE,
        export.GROUP,
    )
    assert (usual["batch"], usual["form"], usual["precision"]) == (
        export.BATCH,
        export.FORM,
        export.PRECISION,
    )
    assert usual["spread"] == DEFAULT_SPREAD


@pytest.mark.parametrize("verb", TWINS)
def test_both_blocks_say_the_same(verb):
    program, name, *words = shlex.split(block(SECTIONS[verb], "sh"))
    assert (program, name) == ("tosa-edge", verb)
    VERBS[verb].make_context(verb, list(words))  # every option is known and has what it needs
    (call,) = [
        node
        for node in ast.walk(ast.parse(block(SECTIONS[verb], "python")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == TWINS[verb]
    ]
    names = {o: keyword(long_name(p)) for p in VERBS[verb].params for o in p.opts if o.startswith("-")}
    required = {
        keyword(long_name(p)) for p in VERBS[verb].params if p.required and p.param_type_name == "option"
    }
    given = {names[word] for word in words if word.startswith("-")}
    assert {k.arg for k in call.keywords} == {
        {"npy": "depth_maps"}.get(name, name) for name in given
    } - required


def least_of(verb: str) -> dict[str, float]:
    """The smallest number that the command line takes, of options that have one."""
    main = importlib.import_module(f"tosa_edge.cli.{verb}").main
    hints = get_type_hints(main, include_extras=True)
    told = {
        name: option.min
        for name, hint in hints.items()
        for option in getattr(hint, "__metadata__", ())
        if getattr(option, "min", None) is not None
    }
    return {name: told[option.name] for name, option in options_of(verb).items() if option.name in told}


@pytest.mark.parametrize(
    ("verb", "option", "least"), [(verb, *found) for verb in TWINS for found in least_of(verb).items()]
)
def test_a_number_that_its_verb_refuses_is_refused(verb, option, least, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    twin = getattr(tosa_edge, TWINS[verb])
    first = [p for p in inspect.signature(twin).parameters.values() if p.default is inspect.Parameter.empty]
    with pytest.raises(TosaEdgeError, match=rf"--{option.replace('_', '-')} {least - 1} is not possible"):
        twin(*("nothing",) * len(first), **{option: least - 1})
    assert not list(tmp_path.iterdir())


def write_frames(folder: Path) -> None:
    folder.mkdir()
    depth = np.linspace(1000, 3000, 60 * 90).reshape(60, 90).astype(np.uint16)
    for number in range(3):
        media.write_picture(folder / f"{number}.jpg", seed=number)
        cv2.imwrite(str(folder / f"{number}.png"), depth)


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder with all that the page names; `tosa_depth_s` there is a tiny model."""
    pytest.importorskip("torch")
    from safetensors.numpy import save_file

    from tests.exported import exported
    from tests.nets import TINY, tiny_checkpoint, tiny_pattern
    from tosa_edge.nn.tosa import Pattern

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "tosa_depth_s"
    folder.mkdir()
    for name, pattern in (("dense", Pattern()), ("g1", tiny_pattern(1))):
        (folder / f"{name}.onnx").write_bytes(exported(pattern).SerializeToString())
    tiny_checkpoint(folder).rename(folder / WEIGHTS)
    write_frames(tmp_path / "frames")
    (tmp_path / "photos").mkdir()
    media.write_picture(tmp_path / "photo.jpg")
    for number in range(2):
        media.write_picture(tmp_path / "photos" / f"{number}.jpg", seed=number)
    (tmp_path / "shards").mkdir()
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (4, TINY.height, TINY.width, 3), np.uint8)
    depth = rng.integers(500, 5000, image.shape[:3]).astype(np.uint16)
    save_file({"image": image, "depth": depth}, tmp_path / "shards" / "shard-00000.safetensors")
    (tmp_path / "RECIPE.toml").write_text(
        f'name = "tiny"\nstart = "none"\nheight = {TINY.height}\nwidth = {TINY.width}\nbatch = 2\n'
        '[[stages]]\nname = "elastic"\nsteps = 2\nwarmup = 1\n'
    )
    return tmp_path


WRITTEN = {
    "run": "depth/summary.json",
    "batch": "many/summary.json",
    "build": "engines/*.onnx",
    "export": "half.onnx",
    "calibrate": "g1.int8.table.json",
    "tune": "tuned/front.json",
    "distill": "mine/weights.safetensors",
    "train": "training/elastic/weights.safetensors",
    "package": "repository/*/*/config.pbtxt",
}


@pytest.mark.parametrize("verb", [pytest.param(v, marks=SLOW.get(v, ())) for v in (*TWINS, "Frame")])
def test_a_block_of_the_page_runs(verb, place, capsys):
    section = SECTIONS[verb] if verb in SECTIONS else PAGE[PAGE.index("## Frame by frame") :]
    before = {path for path in place.rglob("*") if "cache" not in path.parts}
    exec(compile(block(section, "python"), f"docs/python.md, {verb}", "exec"), {})
    said = capsys.readouterr()
    assert said.out.count("\n") == 1
    assert said.err == ""  # nothing that the function itself would have printed
    if verb in WRITTEN:
        assert list(place.glob(WRITTEN[verb]))
    else:
        assert {path for path in place.rglob("*") if "cache" not in path.parts} == before


def test_no_public_name_is_that_of_a_module():
    """Importing a module gives its package an attribute of that name, which would take a function's place."""
    packages = {path.parent.name for path in (ROOT / "tosa_edge").glob("*/__init__.py")}
    packages |= {"calibration", "export", "plugins"}  # as setup.py maps them
    modules = packages | {path.stem for path in (ROOT / "tosa_edge").glob("*.py")}
    assert {"package", "batch", "bench"} <= modules
    assert not modules & {*tosa_edge.__all__}
    for name in packages:
        importlib.import_module(f"tosa_edge.{name}")
    assert all(callable(getattr(tosa_edge, name)) for name in TWINS.values())


def test_public_names_are_offered_and_loaded_late():
    assert {*tosa_edge.__all__} <= {*dir(tosa_edge)}
    heavy = {"torch", "onnx", "onnxruntime", "cv2", "numpy", "rich"}
    names = ", ".join(TWINS.values())
    code = (
        f"import sys, tosa_edge; print(sorted(set(sys.modules) & {heavy})); from tosa_edge import {names}\n"
    )
    code += "print('torch' in sys.modules, 'onnxruntime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "False False"]


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_code_of_the_documents_imports_what_is_public_and_nothing_else(path):
    for text in re.findall(r"^```python\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tosa_edge"):
                public = importlib.import_module(node.module).__all__
                assert {alias.name for alias in node.names} <= {*public}, ast.unparse(node)
            if isinstance(node, ast.Import):
                assert not [a.name for a in node.names if a.name.startswith("tosa_edge.")]
