"""A file or folder that is being written: under a temporary name until it is whole."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from tosa_edge.errors import TosaEdgeError

_open: set[AtomicFile] = set()
_folders: list[list[Path]] = []  # of each block under `remove_if_empty`


class AtomicFile:
    """Claims `final` at once, so that a place that cannot be written is known before the work, not after.

    The temporary name keeps the suffix, by which OpenCV chooses a format.
    """

    def __init__(self, final: Path, folder: bool = False) -> None:
        self.final = final
        self.path = final.with_name(f".{final.stem}.part-{os.getpid()}{final.suffix}")
        parent = final.parent
        self._made = [p for p in (parent, *parent.parents) if not p.exists()]
        if final.is_dir() and not folder:
            raise TosaEdgeError(f"{final} is a folder; a file is to be written there", "Choose another name.")
        try:
            parent.mkdir(parents=True, exist_ok=True)
            _sweep(final)
            if folder:
                self.path.mkdir()
            else:
                self.path.touch()
        except OSError as error:
            self.abort()
            raise write_error(final, error) from error
        _open.add(self)

    def commit(self) -> Path:
        """To the disk, then to the final name: a power cut leaves the old file or the new one, no half."""
        try:
            if self.path.is_file():
                with open(self.path, "rb") as file:
                    os.fsync(file.fileno())
            elif self.final.is_dir() and self.path.is_dir():  # what is there goes only for what replaces it
                shutil.rmtree(self.final)
            os.replace(self.path, self.final)
        except OSError as error:
            self.abort()
            raise write_error(self.final, error) from error
        _open.discard(self)
        return self.final

    def abort(self) -> None:
        _open.discard(self)
        remove(self.path)
        _remove_empty(self._made)


def remove(path: Path) -> None:
    """A file, or a folder with all that is in it, as far as it can be."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _sweep(final: Path) -> None:
    """Takes away what processes that were killed left of the same output: nobody else would."""
    begin, end = f".{final.stem}.part-", final.suffix
    for old in final.parent.glob(f"{glob.escape(begin)}*{glob.escape(end)}"):
        number = old.name.removeprefix(begin).removesuffix(end)
        if re.fullmatch("[0-9]{1,9}", number) and not _is_written(old, int(number)):
            remove(old)


def _is_written(path: Path, process: int) -> bool:
    """Whether the process of that number may still be at it."""
    if process == os.getpid():  # in a container every process may have had this number
        return any(pending.path == path for pending in _open)
    if os.name != "posix":  # where the question would end the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is somebody else's
    return True


@contextlib.contextmanager
def remove_if_empty() -> Iterator[list[Path]]:
    """A list for folders, innermost first: those in which nothing came to be go when the block ends."""
    made: list[Path] = []
    _folders.append(made)
    try:
        yield made
    finally:
        _folders.remove(made)
        _remove_empty(made)


def discard_all() -> None:
    """Deletes all temporary files before the process is terminated."""
    for pending in list(_open):
        pending.abort()
    for made in list(_folders):
        _remove_empty(made)


def _remove_empty(folders: list[Path]) -> None:
    """Innermost first; one that others use by now is not empty and stays."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextlib.contextmanager
def atomic_path(final: Path, folder: bool = False) -> Iterator[Path]:
    """A temporary place to write to: moved to `final` when the block ends well, gone when it does not."""
    pending = AtomicFile(final, folder)
    try:
        yield pending.path
    except OSError as error:
        pending.abort()
        raise write_error(final, error) from error
    except BaseException:
        pending.abort()
        raise
    pending.commit()


def write_bytes(final: Path, data: bytes) -> None:
    """All of `data` under `final`, or an error and nothing."""
    with atomic_path(final) as path:
        path.write_bytes(data)


def write_error(path: Path, error: OSError) -> TosaEdgeError:
    if isinstance(error, FileExistsError | NotADirectoryError):
        file = next((p for p in (path, *path.parents) if p.exists() and not p.is_dir()), path)
        return TosaEdgeError(
            f"{path} cannot be written: {file} is a file, and a folder is to be there", "Choose another name."
        )
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    remedy = (
        "Free some space, or write to another disk." if full else "Choose a folder that you may write to."
    )
    return TosaEdgeError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}", remedy)
