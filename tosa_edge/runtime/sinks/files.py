"""A folder of files, some for each frame, replaced as a whole."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import leads_out
from tosa_edge.pending import Pending, cannot_write
from tosa_edge.runtime.sinks import Result


class FilesSink:
    """What the sinks that write a folder have in common; each says how it saves one result.

    what, names: what it writes, in words and as a pattern. A folder that holds anything else is somebody's
    and is not replaced.
    """

    what: str
    names: str

    def __init__(self, folder: Path) -> None:
        self.refuse_others(folder)
        self._pending = Pending(folder, folder=True)

    @classmethod
    def refuse_others(cls, folder: Path) -> None:
        """Raises where anything of somebody else's is in the way."""
        if folder.exists() and (not folder.is_dir() or any(map(cls._foreign, folder.rglob("*")))):
            raise TosaEdgeError(
                f"{folder} holds other things than {cls.what}; it would be replaced", "Choose another --out."
            )

    def save(self, stem: str, result: Result) -> None:
        """Writes the files of one result, their paths beginning with `stem`. Raises OSError.

        No `Path`: it keeps the parts of every path in Python's table of names, which CPython 3.12 never takes
        them out of, and others only when they build it anew. A run has millions of them.
        """
        raise NotImplementedError

    def write(self, result: Result) -> None:
        name = result.frame.name
        if leads_out(name):
            raise TosaEdgeError(
                f"a frame is named {name[:60]!a}, which is not in {self._pending.final}", "Name it otherwise."
            )
        folder, _, _ = name.rpartition("/")
        try:
            if folder:  # of pictures in folders of a folder
                os.makedirs(f"{self._pending.path}/{folder}", exist_ok=True)
            self.save(f"{self._pending.path}/{name}", result)
        except OSError as error:
            raise cannot_write(self._pending.final / name, error) from error

    def seal(self) -> None:
        """`save` has already raised if anything was wrong."""

    def commit(self) -> Path:
        return self._pending.commit()

    def abort(self) -> None:
        self._pending.abort()

    @classmethod
    def _foreign(cls, path: Path) -> bool:
        return not path.is_dir() and re.fullmatch(cls.names, path.name) is None


def write_file(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
