import os
import shutil
import signal
import sys
import tempfile

import pytest

EXPORTED = "TOSA_EDGE_EXPORTED"  # see exported.py

# What the core does without, and the extra of setup.py that brings it.
EXTRAS = {
    "cuda": "tensorrt",
    "embreex": "render",
    "h5py": "train",
    "hypothesis": "dev",
    "onnx_graphsurgeon": "export",
    "onnxscript": "export",
    "polygraphy": "tensorrt",
    "prometheus_client": "metrics",
    "pyarrow": "batch",
    "ray": "batch",
    "rerun": "viewer",
    "safetensors": "export",
    "scipy": "dev",
    "tensorrt_rtx": "rtx",
    "timm": "dev",
    "tomli": "train",
    "torch": "export",
    "transformers": "dev",
    "triton": "plugins",
}

# One thread for each of the processes that run tests side by side: more would only wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def same_number_of_threads():
    """Whatever trains here says how many threads PyTorch has; the next test is not to sum up otherwise."""
    usual = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
    yield
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "set_num_threads"):
        torch.set_num_threads(usual)


def pytest_configure(config):
    if EXPORTED not in os.environ:
        os.environ[EXPORTED] = tempfile.mkdtemp(prefix="tosa-edge-exported-")
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop(EXPORTED), ignore_errors=True))


@pytest.fixture(params=["PyAV", "OpenCV"])
def recorder(request, monkeypatch):
    """Who writes videos: each of the two in turn."""
    if request.param == "PyAV":
        pytest.importorskip("av", reason="PyAV is not installed here: pip install 'tosa-edge[record]'")
    else:
        monkeypatch.setitem(sys.modules, "av", None)  # as where it is missing
    return request.param


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard():
    """A shell starts jobs in the background deaf to Ctrl-C, and so would be the children that tests start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Module(pytest.Module):
    def collect(self):
        """Skipped where an import fails for want of an extra: a core install tests what it has."""
        try:
            return super().collect()
        except self.CollectError as error:
            cause = error.__cause__
            if not isinstance(cause, ModuleNotFoundError) or cause.name not in EXTRAS:
                raise
            reason = f"{cause.name} is not installed: pip install 'tosa-edge[{EXTRAS[cause.name]}]'"
            pytest.skip(reason, allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    return Module.from_parent(parent, path=module_path)
