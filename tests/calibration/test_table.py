"""The table's reader takes what its writer wrote, and nothing else."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzzing import fuzz
from tosa_edge.calibration.ranges import METHODS
from tosa_edge.calibration.table import MOST_BYTES, Table, from_calibration_cache

DIGEST = st.text("0123456789abcdef", min_size=64, max_size=64)
END = st.floats(1e-6, 1e6)
TABLES = st.builds(
    Table,
    model=DIGEST,
    data=DIGEST,
    images=st.integers(1, 10**6),
    method=st.sampled_from(METHODS),
    ranges=st.dictionaries(
        st.text(min_size=1, max_size=20), st.tuples(END.map(lambda e: -e), END), min_size=1, max_size=5
    ),
)
SAMPLE = Table("a" * 64, "b" * 64, 8, "minmax", {"layer_norm": (-1.5, 2.0), "mul_3": (0.0, 0.25)})


def read(text):
    """The table, or None when it is refused in words."""
    try:
        return Table.from_json(text)
    except ValueError:
        return None


@fuzz
@given(TABLES)
def test_a_round_trip_changes_nothing(table):
    assert Table.from_json(table.to_json()) == table
    assert Table.from_json(table.to_json().encode()) == table


@fuzz
@given(st.binary(max_size=400))
def test_no_bytes_crash_the_reader(data):
    assert read(data) is None


@fuzz
@given(st.data())
def test_a_damaged_table_is_refused_or_says_the_same(data):
    text = bytearray(SAMPLE.to_json().encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        if data.draw(st.booleans()):
            text[at] = data.draw(st.integers(0, 255))
        else:
            del text[at : at + data.draw(st.integers(1, 30))]
        if not text:
            return
    assert read(bytes(text)) in (None, SAMPLE)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@fuzz
@given(st.sampled_from(["model", "data", "images", "method", "ranges", "format", "digest", "more"]), VALUES)
def test_no_value_in_any_place_is_believed(key, value):
    raw = json.loads(SAMPLE.to_json())
    changed = read(json.dumps({**raw, key: value}))
    assert changed in (None, SAMPLE)
    # Nor when whoever changed it knows how to make the digest: it must still be a table.
    raw[key] = value
    if key in ("model", "data", "images", "method"):
        known = {name: raw[name] for name in ("model", "data", "images", "method")}
        forged = Table(**known, ranges=SAMPLE.ranges)
        assert read(forged.to_json()) in (None, forged)
        if read(forged.to_json()):
            forged.check()


@pytest.mark.parametrize(
    ("ends", "why"),
    [
        ([1.0, 2.0], "zero is outside"),
        ([-2.0, -1.0], "zero is outside"),
        ([0.0, 0.0], "nothing to divide by"),
        ([2.0, -1.0], "the wrong way round"),
        ([-1.0, 1e39], "more than float32 holds"),
        ([-1, 1], "whole numbers were not written by us"),
        ([-1.0], "one end"),
        ("both", "a word"),
        ([-1.0, True], "a truth"),
    ],
)
def test_ranges_that_cannot_be(ends, why):
    forged = Table("a" * 64, "b" * 64, 8, "minmax", {"x": ends})
    with pytest.raises(ValueError, match="around zero"):
        Table.from_json(forged.to_json())


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[" * 100_000, "nested"),
        ('{"a": NaN}', "NaN"),
        ('{"a": 1, "a": 2}', "twice"),
        ("[]", "not a JSON object"),
        (" " * (MOST_BYTES + 1), "larger than"),
        ('{"format": 2}', "format"),
        ('{"format": 1e999}', "not a finite number"),
        ("{" + '"a": ' + "9" * 10_000 + "}", "."),
    ],
)
def test_texts_that_are_none(text, what):
    with pytest.raises(ValueError, match=what):
        Table.from_json(text)


def hexadecimal(scale):
    return struct.pack(">f", scale).hex()


def test_a_tensorrt_calibration_cache():
    text = f"TRT-101300-EntropyCalibration2\nlayer_norm: {hexadecimal(0.5)}\na: b: {hexadecimal(0.25)}\n"
    table = from_calibration_cache(text, "c" * 64)
    assert table.ranges == {"layer_norm": (-63.5, 63.5), "a: b": (-31.75, 31.75)}
    assert Table.from_json(table.to_json()) == table


@pytest.mark.parametrize(
    "line", ["x", "x: 12", "x: zzzzzzzz", f"x: {hexadecimal(float('nan'))}", f"x: {hexadecimal(-1)}", ""]
)
def test_a_damaged_cache(line):
    with pytest.raises(ValueError, match=r"SCALE|around zero|no ranges"):
        from_calibration_cache(f"TRT-8601\n{line}", "c" * 64)


@fuzz
@given(st.text(max_size=200))
def test_no_text_crashes_the_cache_reader(text):
    for start in ("", "TRT-8601\n"):
        try:
            table = from_calibration_cache(start + text, "c" * 64)
        except ValueError:
            continue
        table.check()
