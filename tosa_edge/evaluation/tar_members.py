"""What a tar archive holds, read where it lies: no member is unpacked, and no name in it is a path here.

Python's reader believes a header that says how long its own extension is, and asks for all of it at once.
What it reads through therefore gives little at a time, and no more in all than somebody said.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import open_file

_MOST_HEADER = 1 << 20  # bytes that a header may have: names in it are short
_MOST_MEMBERS = 1 << 17  # ImageNet's validation pictures are 50,000
# A chain of extensions is read by recursion.
_ERRORS = (tarfile.TarError, ValueError, OSError, OverflowError, RecursionError)


class _Headers:
    """A file whose headers are read, and nothing long."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.tell, self.seek = file.tell, file.seek

    def read(self, count: int) -> bytes:
        if not 0 <= count <= _MOST_HEADER:
            raise tarfile.ReadError("a header of it is too long")
        return self.file.read(count)


class _Counted:
    """A stream that ends in an error where more comes out of it than it may hold."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self.file, self.left = file, most

    def read(self, count: int) -> bytes:
        data = self.file.read(min(count, self.left + 1))
        self.left -= len(data)
        if self.left < 0:
            raise tarfile.ReadError("it unpacks to more than such an archive holds")
        return data


def index_of(archive: Path) -> Iterator[tuple[str, int, int]]:
    """The regular files of an archive that is not compressed: name (of any kind), first byte and length."""
    with open_file(archive, limit=None) as file:
        try:
            with tarfile.open(fileobj=cast(BinaryIO, _Headers(file)), mode="r:") as tar:
                for count, member in enumerate(tar):
                    if count >= _MOST_MEMBERS:
                        raise tarfile.ReadError(f"it has more than {_MOST_MEMBERS:,} members")
                    _require_forward(member)
                    if member.isreg() and not member.issparse():
                        yield member.name, member.offset_data, member.size
        except _ERRORS as error:
            raise _damaged(archive, error) from error


def read_members(archive: Path, ends: tuple[str, ...], most: int) -> dict[str, bytes]:
    """The members of a tar.gz whose names end in one of `ends`, by that end; the first one of each.

    Args:
        most: bytes that the whole archive may unpack to.
    """
    found: dict[str, bytes] = {}
    with open_file(archive) as file:
        try:
            with gzip.open(file) as unpacked:
                stream = cast(BinaryIO, _Counted(cast(IO[bytes], unpacked), most))
                with tarfile.open(fileobj=stream, mode="r|") as tar:
                    for member in tar:
                        _require_forward(member)
                        end = next((e for e in ends if f"/{member.name}".endswith(f"/{e}")), None)
                        if end and end not in found and member.isreg() and member.size <= most:
                            found[end] = cast(IO[bytes], tar.extractfile(member)).read()
        except (*_ERRORS, EOFError, zlib.error) as error:
            raise _damaged(archive, error) from error
    return found


def _require_forward(member: tarfile.TarInfo) -> None:
    """The next header is looked for behind this member: before it would be without end."""
    if member.size < 0:
        raise tarfile.ReadError("a member of it has a negative size")


def _damaged(archive: Path, error: Exception) -> TosaEdgeError:
    return TosaEdgeError(f"{archive} is no whole archive: {error}", "Download it again.")
