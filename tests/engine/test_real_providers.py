"""The real packages of ONNX Runtime's providers, as far as they go without a GPU: each says what it lacks.

`onnxruntime-gpu` stands in no environment beside `onnxruntime`, so these are skipped in the usual one; what
they gave where the packages were is in docs/hardware.md.
"""

from __future__ import annotations

import pytest

from tests.engine.samples import RTX4070
from tosa_edge.engine import providers
from tosa_edge.engine.gpu import find_gpu
from tosa_edge.engine.providers import CUDA, RTX, TENSORRT
from tosa_edge.errors import MachineLacks

gpu_less = pytest.mark.skipif(find_gpu() is not None, reason="this machine has a GPU")


def needs(provider):
    if providers.version(provider) is None:
        pytest.skip(f"the package of the provider {provider} is not installed")


@gpu_less
@pytest.mark.parametrize(
    ("provider", "lacks"),
    [
        (CUDA, ("libcuda.so.1", "libcublasLt.so")),  # the latter where the CUDA libraries are not there
        (TENSORRT, ("libnvinfer.so.10", "libcublas.so")),
        (RTX, ("libcuda.so.1",)),
    ],
)
def test_the_first_library_that_is_missing_is_named(provider, lacks, monkeypatch, capfd):
    needs(provider)
    monkeypatch.setattr(providers, "find_gpu", lambda: RTX4070)  # or it would not be tried
    with pytest.raises(MachineLacks, match="does not start") as error:
        providers.start(provider)
    assert any(name in error.value.what for name in lacks), error.value.what
    assert "\n" not in error.value.what + error.value.remedy
    assert capfd.readouterr() == ("", "")  # ONNX Runtime's own log would stand over our two lines


@gpu_less
@pytest.mark.parametrize("provider", [CUDA, TENSORRT, RTX])
def test_without_a_gpu_it_is_not_even_tried(provider):
    needs(provider)
    assert provider in providers.installed()
    with pytest.raises(MachineLacks, match="needs an NVIDIA GPU"):
        providers.start(provider)
    assert providers.select_provider("auto") == ("cpu", ())


@pytest.mark.gpu
@pytest.mark.parametrize("provider", [CUDA, TENSORRT, RTX])
def test_a_graph_by_each_provider_is_as_right_as_by_the_cpu(provider):
    """Never run so far: written on a machine without a GPU."""
    from tosa_edge.validate.validate import validate

    needs(provider)
    for variant in ("dense", "g1", "g1.fp16"):
        result = validate(f"tosa_depth_t:{variant}", provider=provider)
        assert result["passed"], result
        assert result["provider"] == provider
