"""Files that somebody else may have made, read whole: never a pipe or a device, never more than the limit.

A pipe would be waited for without end, a device has no end, and a sparse file claims terabytes.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import BinaryIO

from tosa_edge.errors import TosaEdgeError
from tosa_edge.limits import BYTES, Limit

_CHUNK = 1 << 20


def read_bytes(path: Path) -> bytes:
    """All of a regular file. Raises OSError where the system refuses, our error where we do."""
    with open_file(path) as file:
        return file.read(os.fstat(file.fileno()).st_size)


def sha256_of(path: Path) -> str:
    """SHA-256 of a regular file, in hexadecimal; takes no memory."""
    digest = hashlib.sha256()
    with open_file(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def open_file(path: Path, limit: Limit | None = BYTES) -> BinaryIO:
    """A regular file, open for reading; of at most the limit, which is that of files read whole."""
    # Without O_NONBLOCK a pipe that nobody writes to is waited for here.
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    try:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise TosaEdgeError(f"{path} is a pipe or a device, not a file", "Give the path of a file.")
        if limit:
            limit.check(found.st_size, f"{path} is too large")
    except BaseException:
        file.close()
        raise
    return file


def require_regular(path: Path, limit: Limit | None = BYTES) -> None:
    """For other people's readers, which open a name themselves. Raises what `open_file` raises."""
    open_file(path, limit).close()


def inside(folder: Path, name: str) -> Path:
    """What a name found in a file means: a file below `folder`, or a ValueError."""
    if not name.isprintable() or leads_out(name):
        raise ValueError(f"{name[:60]!a} is not the name of a file in that folder")
    return folder / name


def leads_out(name: str) -> bool:
    """Whether a name below a folder means no file, or one elsewhere."""
    parts = name.replace("\\", "/").split("/")
    return os.path.isabs(name) or ".." in parts or not parts[-1]
