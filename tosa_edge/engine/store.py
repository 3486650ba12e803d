"""Engines on disk: whole or refused, whatever kills the build; one build of an engine at a time.

The engine is renamed into place first and its manifest last. Killed in between, the new engine stands
beside no manifest or the old one; both are refused, because a manifest holds the sha256 of its engine.
"""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from tosa_edge.atomic_files import atomic_path, write_error
from tosa_edge.engine.manifest import Manifest
from tosa_edge.engine.names import manifest_path, parse_name
from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import read_bytes
from tosa_edge.graph import ENGINE_MARK


def is_ours(path: Path) -> bool:
    """An engine that a build made, or its manifest: by its name, its manifest, or the mark inside.

    A build that was killed leaves an engine without a manifest.
    """
    engine = path.with_suffix("") if path.suffix == ".json" else path
    if not path.is_file():
        return False
    if parse_name(engine.name) is not None or _contains(manifest_path(engine), b'"engine_sha256"'):
        return True
    return path == engine and engine.suffix == ".onnx" and _contains(engine, ENGINE_MARK.encode())


def _contains(path: Path, words: bytes) -> bool:
    try:
        return words in read_bytes(path)
    except (OSError, TosaEdgeError):
        return False


def save(engine: Path, data: bytes, manifest: Manifest) -> None:
    """Both are on the disk under temporary names before either takes its own; the inner one goes first."""
    with atomic_path(manifest_path(engine)) as beside:
        beside.write_text(manifest.to_json(), encoding="utf-8")
        with atomic_path(engine) as path:
            path.write_bytes(data)


@contextlib.contextmanager
def build_lock(engine: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """This process alone builds `engine`; folders made for it go again when nothing comes of it."""
    parent = engine.parent
    made = [p for p in (parent, *parent.parents) if not p.exists()]
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with _locked(engine.with_name(f".{engine.name}.lock"), on_wait):
            _remove_leftovers(engine)
            yield
    except OSError as error:
        _remove(made)
        raise write_error(engine, error) from error
    except BaseException:
        _remove(made)
        raise


@contextlib.contextmanager
def _locked(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """flock is released when the process dies: a killed build leaves no lock."""
    try:
        import fcntl
    except ImportError:  # Windows: builds replace each other, each of them whole
        yield
        return
    file = _open_locked(path, fcntl, on_wait)
    try:
        yield
    finally:
        # Unlink before releasing: a waiter that gets the lock detects the deleted inode and retries.
        with contextlib.suppress(OSError):
            path.unlink()
        file.close()


def _open_locked(path: Path, fcntl, on_wait: Callable[[], None]) -> IO[bytes]:  # type: ignore[no-untyped-def]
    while True:
        file = open(path, "ab")  # noqa: SIM115 - held until the build is over
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()


def _remove_leftovers(engine: Path) -> None:
    """What killed builds of this engine left under temporary names; nobody else builds it now."""
    for final in (engine, manifest_path(engine)):
        for old in final.parent.glob(f".{glob.escape(final.stem)}.part-*{glob.escape(final.suffix)}"):
            with contextlib.suppress(OSError):
                old.unlink()


def scratch(engine: Path) -> Path:
    """A temporary name beside the engine, on the same disk, that `_remove_leftovers` knows."""
    return engine.with_name(f".{engine.stem}.part-{os.getpid()}-raw{engine.suffix}")


def _remove(folders: list[Path]) -> None:
    for folder in folders:  # innermost first; one that holds something stays
        with contextlib.suppress(OSError):
            folder.rmdir()
