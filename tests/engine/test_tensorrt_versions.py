"""Which releases of TensorRT are known for what."""

from __future__ import annotations

from pathlib import Path

import pytest

from tosa_edge.engine.tensorrt_versions import EXPECTED, expected, known_bugs, unchecked
from tosa_edge.machine import version_numbers


@pytest.mark.parametrize(
    ("version", "sm", "issues"),
    [
        ("10.3.0", 87, ["4723"]),
        ("10.3.0.30-1+cuda12.5", None, ["4723"]),
        ("10.4.0", 87, []),
        ("10.3.0", 120, ["4723", "4837"]),
        ("10.16.1.11", 120, ["4837"]),
        ("10.16.1.11", 89, []),
        ("10.16.2.10", 120, []),
        ("11.1.0", 120, []),
        ("unknown", 120, []),
    ],
)
def test_what_was_seen_wrong_by_release_and_gpu(version, sm, issues):
    found = known_bugs(version, sm)
    assert len(found) == len(issues)
    assert all(f"issue {issue}" in what for issue, what in zip(issues, found, strict=True))


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("8.6.1", "older than the least"),
        ("10.3.0", "validate always"),
        ("10.13.3", "knows no ONNX Attention"),
        ("10.14.0", "ONNX Attention (opset 23"),
        ("11.4.1", "no typing but the strong one"),
        ("dev", "not known"),
    ],
)
def test_what_to_expect(version, says):
    assert says in expected(version)


def test_a_version_is_what_numbers_it_begins_with():
    assert version_numbers("10.16.2.10-1+cuda13.2") == (10, 16, 2, 10)
    assert version_numbers("10.3.0.30-1ubuntu1") == (10, 3, 0, 30)
    assert version_numbers("6.2+b77") == (6, 2)
    assert version_numbers("1.24rc1") == (1, 24)
    assert version_numbers("") == version_numbers(None) == ()
    assert version_numbers("11") >= (10, 14) > version_numbers("10") > version_numbers(None)


def test_the_warning_is_one_line_and_names_what_is_known():
    plain, known = (unchecked(version, 87, "fp16", "e/x.engine") for version in ("10.13.3", "10.3.0"))
    assert "\n" not in plain + known
    assert "issue" not in plain
    assert "of TensorRT 10.3.0 are known wrong results of ViTs in half precision" in known
    assert plain.endswith("tosa-edge validate e/x.engine")


def test_the_documentation_says_what_doctor_does():
    text = (Path(__file__).parents[2] / "docs/hardware.md").read_text()
    table = text.partition("## Versions of TensorRT")[2].partition("None of it was tried")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "|" in line
    ]
    releases = [(version_numbers(first), what) for first, _, what in rows if version_numbers(first)]
    for (release, says), (first, what) in zip(releases, EXPECTED[1:], strict=True):
        assert release[: len(first)] == first
        assert says.startswith(what)
