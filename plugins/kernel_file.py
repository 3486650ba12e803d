"""The file of compiled kernels, `tosa.kernels`: an index, and the cubins it speaks of.

Eight bytes `TOSAKRN1`, the length of the index (8 bytes, little endian), the index (JSON), then the cubins
one after the other, the same one only once. The index says for each operator, precision and model shape what
to launch: programs (for each axis a size and how much of it one takes), threads, dynamic shared memory, and
the parameters in order. The last two of those, `global_scratch` and `profile_scratch`, are hidden ones that
Triton adds and these kernels do not use: a launcher passes null pointers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from tosa_edge.errors import TosaEdgeError

MAGIC = b"TOSAKRN1"
HIDDEN_PARAMETERS = ("global_scratch", "profile_scratch")


def write(kernels: Iterable[tuple[dict[str, Any], bytes]], compiler: str) -> tuple[bytes, dict[str, Any]]:
    """The file's bytes, and its index, of what is to be said of each kernel and its cubin."""
    from tosa_edge.plugins import PLUGIN_VERSION

    data, offsets, entries = bytearray(), dict[str, int](), []
    for entry, cubin in kernels:
        digest = hashlib.sha256(cubin).hexdigest()
        if digest not in offsets:
            offsets[digest] = len(data)
            data += cubin + bytes(-len(cubin) % 16)
        entries.append({**entry, "offset": offsets[digest], "bytes": len(cubin), "sha256": digest})
    index = {
        "version": 1,
        "plugin_version": PLUGIN_VERSION,
        "compiler": compiler,
        "sha256": hashlib.sha256(data).hexdigest(),
        "kernels": entries,
    }
    head = json.dumps(index, sort_keys=True, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 16)
    return MAGIC + len(head).to_bytes(8, "little") + head + bytes(data), index


def read(file: bytes) -> tuple[dict[str, Any], bytes]:
    """The index and the cubins' bytes of a kernel file, checked against its digest."""
    length = int.from_bytes(file[8:16], "little")
    if file[:8] != MAGIC or len(file) < 16 + length:
        raise TosaEdgeError("this is no whole file of tosa kernels", "make it again: make kernels")
    index, data = json.loads(file[16 : 16 + length]), file[16 + length :]
    if hashlib.sha256(data).hexdigest() != index["sha256"]:
        raise TosaEdgeError("the kernel file is damaged: its digest differs", "make it again: make kernels")
    return index, data


def cubin_of(entry: dict[str, Any], cubins: bytes) -> bytes:
    """The cubin that an entry of the index speaks of."""
    return cubins[entry["offset"] : entry["offset"] + entry["bytes"]]
