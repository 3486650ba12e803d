"""What a GPU's machine may refuse without that being a failure of ours."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from tests.gpu import cubins, tools
from tests.gpu.cubin_launch import VARIANTS
from tests.gpu.results import Results, rows
from tosa_edge.cuda.driver import CudaError


@pytest.mark.parametrize("taken", [VARIANTS, VARIANTS[1:], ()])
def test_cubins_that_are_refused_fail_only_where_no_others_take_their_place(tmp_path, monkeypatch, taken):
    def all_of(variant):
        if variant not in taken:
            raise CudaError("cuModuleLoadData", "CUDA_ERROR_UNSUPPORTED_PTX_VERSION")
        return SimpleNamespace(entries=[], compiler="ptxas")

    @contextmanager
    def machine(walk):
        yield SimpleNamespace(all_of=all_of, sm=90, walk=True)

    monkeypatch.setattr(cubins, "machine", machine)
    results = Results(tmp_path / "results", "load")
    cubins.load(results, False)
    found = [row["passed"] for row in rows(results.path)]
    assert found == {2: [True], 1: [None, True], 0: [None, False]}[len(taken)]
    assert results.failed == (not taken)


def test_a_profiler_whose_counters_are_closed_has_not_failed(tmp_path, monkeypatch):
    said = "==ERROR== ERR_NVGPUCTRPERM - The user does not have permission"
    monkeypatch.setattr(tools, "_under", lambda *words: (1, said))
    results = Results(tmp_path / "results", "profile")
    tools.profile(results, False)
    (row,) = rows(results.path)
    assert (row["passed"], results.failed) == (None, 0)
    assert "ERR_NVGPUCTRPERM" in row["lacks"]

    monkeypatch.setattr(tools, "_under", lambda *words: (1, "==ERROR== something else"))
    tools.profile(results, False)
    assert results.failed == 1
