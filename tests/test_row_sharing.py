import pytest
from hypothesis import given
from hypothesis import strategies as st

from tosa_edge.errors import TosaEdgeError
from tosa_edge.row_sharing import Way, parse_ways


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("pairs:3-11/3", Way(tuple(range(3, 12)), "pairs", 3, pairs=1)),
        ("quads:6", Way((6,), "quads", 1)),
        ("windows=0.2,0.4:1-4", Way((1, 2, 3, 4), "windows", 4, 0.2, 0.4)),  # once for all four
        ("groups=0.25:2-9/3", Way(tuple(range(2, 10)), "groups", 3, merged=0.25)),
    ],
)
def test_a_way_is_written_and_read(spec, expected):
    (way,) = parse_ways(spec)
    assert way == expected
    assert parse_ways(str(way)) == (way,)


@given(first=st.integers(0, 20), layers=st.integers(1, 12), anew=st.integers(1, 15))
def test_rows_are_found_at_the_beginning_and_after_so_many_layers(first, layers, anew):
    way = Way(tuple(range(first, first + layers)), "pairs", anew)
    assert way.starts[0] == first
    assert all(b - a == anew for a, b in zip(way.starts, way.starts[1:], strict=False))
    assert way.stop - way.starts[-1] <= anew


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("", "no way to represent"),
        ("pairs", "no way to represent"),
        ("pairs:5-3", "no way to represent"),
        ("pairs:3-11/0", "anew"),
        ("windows=0.8,0.4:1-3", "shares"),
        ("groups=1.5:1-3", "merged"),
        ("windows=1.2.3,0:1-3", "no way to represent"),
        ("pairs:3-12", "does not fit"),
        ("pairs:3-6+quads:6-8", "does not fit"),
        ("groups=0.2:0-3", "no layer before it"),
        ("pairs:1-3+groups=0.2:4-8", "no layer before it"),
    ],
)
def test_what_is_no_way_is_refused(spec, words):
    with pytest.raises(TosaEdgeError, match=words):
        parse_ways(spec, 12)
