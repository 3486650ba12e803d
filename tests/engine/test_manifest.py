"""Manifests: there and back, and nothing accepted that is not one."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import tiny
from tests.engine.samples import for_rtx, manifest, of_graph, on_jetson
from tests.fuzzing import fuzz
from tosa_edge.engine.manifest import (
    FORMAT,
    CheckResult,
    Manifest,
    NewerFormat,
    Plugin,
    Provider,
    Validation,
    read_manifest,
)
from tosa_edge.errors import TosaEdgeError
from tosa_edge.strict_json import MAX_BYTES


def raw(**changes):
    return {**json.loads(manifest().to_json()), **changes}


def graph_of(**changes):
    return {**asdict(tiny.info()), **changes}


def judged(result, *passed):
    checks = [{"name": "depth_error", "value": 0.5, "limit": None, "passed": one} for one in passed]
    return {"result": result, "note": "x", "checks": checks}


def encoded(value) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "made",
    [
        manifest(),
        on_jetson(
            plugin=Plugin("tosa_edge", "1", "a" * 64), plugin_choice={"plugin_ms": 3.5, "native_ms": 4}
        ),
        for_rtx(precision="int8", calibration="b" * 64, pictures="/pictures of the room", keep=1),
        manifest(validation=Validation("passed", "depth within 0.3 %")),
        manifest(
            validation=Validation(
                "failed", "x", (CheckResult("a", None, 0.5, False), CheckResult("b", 1, None, True))
            )
        ),
        of_graph(tiny.selective_info()),
        manifest(provider=Provider("rtx", "0.5.0")),
    ],
)
def test_there_and_back(made):
    assert Manifest.from_json(made.to_json().encode()) == made


@pytest.mark.parametrize("format", range(1, FORMAT))
def test_an_older_format_is_not_read_any_more(format):
    with pytest.raises(ValueError, match=f"of format {format}, which is not read any more"):
        Manifest.from_json(encoded(raw(format=format)))


def test_what_was_not_run_is_said():
    assert json.loads(manifest().to_json())["validation"]["result"] == "not run"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"engine_sha256": "A" * 64}, "engine_sha256 is not a sha256"),
        ({"engine_sha256": "ab"}, "engine_sha256 is not a sha256"),
        ({"engine_bytes": 0}, "engine_bytes is not a whole number"),
        ({"engine_bytes": True}, "engine_bytes is not a whole number"),
        ({"engine_bytes": 1.0}, "engine_bytes is not a whole number"),
        ({"backend": "cuda"}, "backend is not one of onnxruntime, tensorrt, tensorrt-rtx"),
        ({"precision": "fp8"}, "precision is not one of"),
        ({"model": ""}, "model is not a line of text"),
        ({"model": "two\nlines"}, "model is not a line of text"),
        ({"source": "\x1b[2J"}, "source is not a line of text"),  # would clear the terminal that shows it
        ({"source": "\ud800"}, "source is not a line of text"),  # half a surrogate pair: cannot be printed
        ({"keep": 2}, "keep is not a number from 0 to 1"),
        ({"keep": "0.5"}, "keep is not a number"),
        ({"inputs": {}}, "inputs is not a list"),
        ({"inputs": [{"name": "image", "dtype": "uint8"}]}, "inputs the field 'shape' is missing"),
        ({"host": None}, "host is not an object"),
        ({"host": {**raw()["host"], "multiprocessors": 0}}, "host multiprocessors is not a whole number"),
        ({"targets": [8]}, "targets is not a whole number from 10"),
        ({"settings": {"a": [1]}}, "settings is not a line of text"),
        ({"validation": {"result": "fine", "note": "x", "checks": []}}, "validation result is not one of"),
        ({"validation": {"result": "passed", "note": "x"}}, "validation the field 'checks' is missing"),
        ({"validation": judged("passed", True, False)}, "validation says 'passed', and its checks say other"),
        ({"validation": judged("failed", True)}, "validation says 'failed', and its checks say otherwise"),
        ({"validation": judged("failed", 0)}, "passed is not true or false"),
        ({"plugin": {"name": "p", "version": "1"}}, "plugin the field 'sha256' is missing"),
        ({"graph": "g1"}, "graph is not an object"),
        ({"graph": {"name": "tiny"}}, "graph "),
        ({"graph": graph_of(height=15)}, "graph 15x42 is not a multiple of the patch 14"),
        ({"graph": graph_of(colour=1)}, "graph has other fields than the description of a graph"),
        ({"format": 0}, "format is not a whole number"),
        ({"format": "1"}, "format is not a whole number"),
        ({"colour": 1}, "the field 'colour' is not known"),
    ],
)
def test_a_wrong_field_is_named(changes, what):
    with pytest.raises(ValueError, match=r"\S") as error:
        Manifest.from_json(encoded(raw(**changes)))
    assert what in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", list(raw()))
def test_every_field_must_be_there(name):
    less = raw()
    del less[name]
    with pytest.raises(ValueError, match=f"the field '{name}' is missing"):
        Manifest.from_json(encoded(less))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"\xff\xfe", "not text"),
        (manifest().to_json().encode()[:400], "not JSON"),
        (b'{"format": 5, "format": 5}', "given twice"),
        (b'{"keep": NaN}', "not a finite number"),
        (b'{"keep": 1e999}', "not a finite number"),
        (b'{"keep": ' + b"9" * 5000 + b"}", "a number of 5000 digits"),
        (b"[" * 100_000, "nested too deeply"),
        (b" " * (MAX_BYTES + 1), "larger than"),
    ],
)
def test_what_is_no_manifest_is_one_line(tmp_path, data, what):
    path = tmp_path / "e.json"
    path.write_bytes(data)
    with pytest.raises(TosaEdgeError) as error:
        read_manifest(path)
    assert what in error.value.what
    assert "\n" not in error.value.what


def test_a_newer_format_is_told_apart_whatever_else_it_holds():
    with pytest.raises(NewerFormat):
        Manifest.from_json(encoded({"format": FORMAT + 1, "news": []}))


def read(data: bytes) -> Manifest | str:
    """The manifest, or the line that says why it is none; any other exception is a crash."""
    try:
        return Manifest.from_json(data)
    except ValueError as error:
        return str(error)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


FAILED = manifest(
    validation=Validation(
        "failed", "x", (CheckResult("a", None, 0.5, False), CheckResult("b", 1, None, True))
    )
)


@st.composite
def spoiled(draw) -> bytes:
    """A manifest with one to three values, at any depth, taken away, replaced or added."""
    tree = json.loads(draw(st.sampled_from([manifest(), on_jetson(), for_rtx(), FAILED])).to_json())
    for _ in range(draw(st.integers(1, 3))):
        at = tree
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(at[key], (dict, list)) and draw(st.booleans()):
                at = at[key]
                continue
            if draw(st.integers(0, 3)):
                at[key] = draw(_values)
            else:
                del at[key]
            break
    return json.dumps(tree).encode()


@st.composite
def garbled(draw) -> bytes:
    """A manifest with bytes changed, cut out or put in."""
    data = bytearray(manifest().to_json().encode())
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 8)))
        data[start:end] = draw(st.binary(max_size=8))
    return bytes(data)


@fuzz
@given(spoiled() | garbled() | st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_one_readable_line(data):
    found = read(data)
    if isinstance(found, str):
        assert found
        assert found.isprintable()
        return
    # Accepted: then it says what the file says, no more and no less.
    assert json.loads(found.to_json()) == json.loads(data)
    assert Manifest.from_json(found.to_json().encode()) == found


@fuzz
@given(st.text(max_size=50), st.floats(0, 1), st.dictionaries(st.text(min_size=1), _values, max_size=3))
def test_what_is_written_is_read_or_refused_at_once(model, keep, extra):
    made = replace(manifest(), model=model, keep=keep, settings=extra)
    found = read(made.to_json().encode())
    assert found.isprintable() if isinstance(found, str) else asdict(found) == asdict(made)
