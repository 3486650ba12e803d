"""Parquet, read and written through pyarrow, the only reader of which this is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.files import require_regular

if TYPE_CHECKING:
    from types import ModuleType

    from tosa_edge.batch.depth import Row

# What data sets call their pictures, the first that is there.
_USUAL = ("image", "picture", "frame", "img", "jpg", "jpeg", "png", "bytes", "content", "data")
_ROWS_AT_ONCE = 16
_GROUP_BYTES = 1 << 25  # of a row group that is written: what is held before it goes to the disk
KEY = b"tosa-edge"


def pyarrow(module: str = "parquet") -> ModuleType:
    """`pyarrow.parquet`, or pyarrow itself."""
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        raise MachineLacks(
            "Parquet wants the package pyarrow, which is not installed",
            "Install it: pip install 'tosa-edge[batch]'; or write files, with --as files.",
        ) from None
    return parquet if module == "parquet" else arrow


def _opened(path: str) -> Any:
    require_regular(Path(path), limit=None)
    try:
        return pyarrow().ParquetFile(path)
    except (OSError, ValueError) as error:  # pyarrow's own errors are of these two
        line = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise TosaEdgeError(
            f"{path} is not a Parquet file that can be read: {line}", "Write it again."
        ) from None


def rows_of(path: str) -> int:
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def pictures_column(path: str, wanted: str = "") -> str:
    """The column whose values are files of pictures: bytes, or a structure with `bytes` among others."""
    arrow = pyarrow("pyarrow")
    with _opened(path) as file:
        schema = file.schema_arrow
    kinds = {field.name: field.type for field in schema}
    found = [name for name, kind in kinds.items() if _holds_bytes(arrow, kind)]
    if wanted and wanted not in found:
        listed = ", ".join(found) or "no such column"
        raise TosaEdgeError(f"{path} has no column {wanted!r} of bytes", f"It has {listed}.")
    chosen = wanted or next((name for name in _USUAL if name in found), found[0] if len(found) == 1 else "")
    if not chosen:
        listed = ", ".join(f"{name} ({kind})" for name, kind in list(kinds.items())[:8])
        raise TosaEdgeError(
            f"{path} does not say which column holds its pictures: {listed}",
            "Name it with --column: files of pictures as bytes, or a structure with `bytes`.",
        )
    return chosen


def _holds_bytes(arrow: ModuleType, kind: Any) -> bool:
    if arrow.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and _holds_bytes(arrow, kind.field(index).type)
    return bool(arrow.types.is_binary(kind) or arrow.types.is_large_binary(kind))


def pictures_from(path: str, column: str, start: int) -> Iterator[bytes | None]:
    """The files in a column from row `start` on; None where a row has none."""
    column = pictures_column(path, column)
    with _opened(path) as file:
        groups, before = list(range(file.metadata.num_row_groups)), 0
        while groups and before + (rows := file.metadata.row_group(groups[0]).num_rows) <= start:
            before += rows
            groups.pop(0)
        for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=groups, columns=[column]):
            for value in batch.column(0):
                if before >= start:
                    data = value.as_py()
                    yield data["bytes"] if isinstance(data, dict) else data
                before += 1


class ParquetTable:
    """One file of depth, written a row group at a time; `path` is where, under whatever name."""

    def __init__(self, path: Path, facts: Mapping[str, object]) -> None:
        arrow = pyarrow("pyarrow")
        self._arrow = arrow
        self._schema = arrow.schema(
            [
                arrow.field("name", arrow.string(), nullable=False),
                arrow.field("source", arrow.string(), nullable=False),
                arrow.field("index", arrow.int64(), nullable=False),
                arrow.field("time_s", arrow.float64()),
                arrow.field("height", arrow.int32(), nullable=False),
                arrow.field("width", arrow.int32(), nullable=False),
                arrow.field("depth", arrow.binary(), nullable=False),
                arrow.field("least", arrow.float64(), nullable=False),
                arrow.field("most", arrow.float64(), nullable=False),
            ],
            metadata={KEY: json.dumps(facts).encode()},
        )
        # Depth is compressed already.
        self._writer = pyarrow().ParquetWriter(path, self._schema, compression="none")
        self._rows: list[dict[str, object]] = []
        self._held = 0

    def add(self, row: Row) -> None:
        self._rows.append({name: getattr(row, name) for name in self._schema.names})
        self._held += len(row.depth)
        if self._held >= _GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows, self._held = [], 0
