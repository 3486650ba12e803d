"""Engines on disk: whole or refused, whatever happens to the process that builds them."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests import tiny
from tests.engine.children import build_for_ever, build_once, hold
from tests.engine.samples import DATA, manifest
from tests.media import left_behind
from tosa_edge import machine
from tosa_edge.builder.build import build
from tosa_edge.engine.load import check_engine, load_graph
from tosa_edge.engine.names import manifest_path
from tosa_edge.engine.store import build_lock, save
from tosa_edge.engine.this_machine import this_machine
from tosa_edge.errors import TosaEdgeError


def forked():
    """Children of a server that has imported everything and done nothing: they start at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["onnx", "onnxruntime", "tests.engine.children"])
    return context


def two_models(folder: Path) -> dict[str, float]:
    """MODELs whose depths differ by a factor, which tells an engine's origin by what it computes."""
    for name, most in (("bright", 255), ("dark", 510)):
        made = tiny.model()
        made.graph.initializer[1].CopyFrom(onnx.numpy_helper.from_array(np.array(most, np.float32), "most"))
        onnx.save(made, folder / f"{name}.onnx")
    return {str(folder / "bright.onnx"): 1.0, str(folder / "dark.onnx"): 0.5}


def checked(engine: Path, models: dict[str, float]) -> bool:
    """Whether the engine loads; if it does, it computes what its manifest says it should."""
    from tosa_edge.backends.onnxruntime import OnnxRuntimeBackend

    try:
        graph = load_graph(str(engine))
        source = check_engine(engine)[0].source
    except TosaEdgeError:
        return False
    picture = tiny.picture()
    with OnnxRuntimeBackend(graph, threads=1) as backend:
        depth = backend.infer({"image": picture[None]})["depth"][0]
    np.testing.assert_allclose(depth, models[source] * tiny.expected_depth(picture), atol=1e-6)
    return True


@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_a_killed_build_leaves_nothing_that_loads_and_should_not(tmp_path, kills):
    models, engine = two_models(tmp_path), tmp_path / "out" / "e.onnx"
    generator, context = random.Random(kills), forked()
    loaded = refused = absent = 0
    for _ in range(kills):
        if generator.random() < 0.2:  # the first build of an engine, not the next
            manifest_path(engine).unlink(missing_ok=True)
            engine.unlink(missing_ok=True)
        elif not engine.exists():  # so that there is something to spoil, however slow the machine
            build(next(iter(models)), backend="onnxruntime", out=engine, validate=False)
        begun = context.Event()
        child = context.Process(target=build_for_ever, args=(list(models), engine, begun))
        child.start()
        assert begun.wait(60)
        time.sleep(generator.uniform(0, 0.3))
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        if not engine.exists():
            absent += 1
        elif checked(engine, models):
            loaded += 1
        else:
            refused += 1
    print(
        f"{kills} kills: {loaded} engines load and are right, {refused} are refused, {absent} are not there"
    )
    assert loaded
    # And nothing that the dead have left is in the way.
    built = build(next(iter(models)), out=engine)
    assert checked(built.engine, models)
    assert left_behind(engine.parent) == [engine.name, f"{engine.name}.json"]


@dataclass
class Died(Exception):
    at: int


@pytest.mark.parametrize("step", range(6))
def test_killed_between_any_two_steps(tmp_path, monkeypatch, step):
    """The same without chance: every file operation of a save in its turn is the last."""
    engine = tmp_path / "e.onnx"
    old, new = b"old" + DATA, b"new" + DATA
    save(engine, old, described(old))
    steps = iter(range(100))

    def counted(operation):
        def call(*arguments, **keywords):
            if next(steps) == step:
                raise Died(step)
            return operation(*arguments, **keywords)

        return call

    with monkeypatch.context() as patch:
        for name in ("replace", "fsync"):
            patch.setattr(os, name, counted(getattr(os, name)))
        for name in ("write_text", "write_bytes"):
            patch.setattr(Path, name, counted(getattr(Path, name)))
        patch.setattr("tosa_edge.atomic_files.AtomicFile.abort", lambda self: None)  # as if killed
        with pytest.raises(Died):
            save(engine, new, described(new))
    try:
        data = check_engine(engine)[1]
    except TosaEdgeError:
        assert step in (4, 5)  # the new engine is in place, and its manifest is not
    else:
        assert data == old
    with build_lock(engine):
        assert left_behind(tmp_path) == sorted([".e.onnx.lock", engine.name, f"{engine.name}.json"])


def described(data: bytes):
    return manifest(
        source="/nowhere.onnx",
        engine_bytes=len(data),
        engine_sha256=hashlib.sha256(data).hexdigest(),
        backend_version=machine.onnxruntime_version(),
        host=this_machine(("onnxruntime",)).host,
    )


def test_two_builds_of_one_engine_give_one_engine(tmp_path):
    spec, out = next(iter(two_models(tmp_path))), tmp_path / "out"
    context = forked()
    results = context.Queue()
    children = [context.Process(target=build_once, args=(spec, out, results)) for _ in range(3)]
    for child in children:
        child.start()
    found = [results.get(timeout=60) for _ in children]
    for child in children:
        child.join()
    assert sorted(reused for reused, _ in found) == [False, True, True]
    assert len({data for _, data in found}) == 1
    assert len(left_behind(out)) == 2


def test_who_waits_is_told_and_a_dead_holder_lets_go(tmp_path):
    engine, context = tmp_path / "e.onnx", forked()
    held = context.Event()
    child = context.Process(target=hold, args=(engine, held, 600))
    child.start()
    assert held.wait(60)
    told = []

    def kill_it():
        told.append("waiting")
        os.kill(child.pid, signal.SIGKILL)

    with build_lock(engine, kill_it):
        assert told == ["waiting"]
    child.join()
    assert left_behind(tmp_path) == []


def test_a_failed_build_takes_its_folders_with_it(tmp_path):
    with pytest.raises(ZeroDivisionError), build_lock(tmp_path / "a" / "b" / "e.onnx"):
        raise ZeroDivisionError
    assert left_behind(tmp_path) == []


def test_neighbours_keep_their_temporary_files(tmp_path):
    ours, theirs = tmp_path / ".e[1].part-7.onnx", tmp_path / ".e1.part-7.onnx"
    for path in (ours, theirs):
        path.touch()
    with build_lock(tmp_path / "e[1].onnx"):
        assert not ours.exists()
    assert left_behind(tmp_path) == [theirs.name]
