"""ONNX Runtime's execution providers: what computes a graph there, the CPU or an NVIDIA GPU.

Where a provider does not start ONNX Runtime goes on with the CPU, and says so in its log at most. Here the
requested provider is used or an error says why not; only `auto` falls back to the CPU.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import io
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge import machine
from tosa_edge.engine import GPU_PROVIDERS
from tosa_edge.engine.gpu import find_gpu
from tosa_edge.errors import MachineLacks, TosaEdgeError

if TYPE_CHECKING:
    import onnx

AUTO, CPU, CUDA, TENSORRT, RTX = "auto", "cpu", "cuda", "tensorrt", "rtx"
CHOICES = (AUTO, CPU, CUDA, TENSORRT, RTX)
TITLES = {CPU: "CPU", CUDA: "CUDA", TENSORRT: "TensorRT", RTX: "TensorRT-RTX"}
# What ONNX Runtime calls them.
NAMES = {
    CPU: "CPUExecutionProvider",
    CUDA: "CUDAExecutionProvider",
    TENSORRT: "TensorrtExecutionProvider",
    RTX: "NvTensorRTRTXExecutionProvider",
}
_GPU_PACKAGES = ("onnxruntime-gpu",)
_RTX_PACKAGES = ("onnxruntime-ep-nv-tensorrt-rtx-cu13", "onnxruntime-ep-nv-tensorrt-rtx-cu12")
INSTALL = {
    CUDA: "pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]' (docs/gpu.md)",
    TENSORRT: "pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]' 'tensorrt<11' "
    "(docs/gpu.md)",
    RTX: "pip install 'tosa-edge[ort-rtx]', with Python 3.11 or later",
}
MEND = (
    "Install it alone: pip uninstall -y onnxruntime onnxruntime-gpu && "
    "pip install 'onnxruntime-gpu[cuda,cudnn]'."
)
_FIRST_WITH_PLUGINS = (1, 24)
# Where nearly all arithmetic is: one of them on the CPU, and the GPU waits for it.
_HEAVY = ("MatMul", "Gemm", "Conv", "Attention")
HALF, INT8 = "half", "int8"
_FLOAT16 = 10  # of ONNX's types
_SILENT, _WARNINGS = 4, 2  # of ONNX Runtime's own log; the latter is its default


def version(provider: str) -> str | None:
    """Of the package that brings it, without importing anything; None where there is none."""
    if provider == CPU:
        return machine.onnxruntime_version()
    packages = _RTX_PACKAGES if provider == RTX else _GPU_PACKAGES
    return next((found for name in packages if (found := machine.version_of(name))), None)


def installed() -> tuple[str, ...]:
    """The providers for a GPU whose packages are here, the best first: whether they start is not known."""
    return tuple(provider for provider in GPU_PROVIDERS if version(provider))


def check_choice(provider: str) -> None:
    if provider not in CHOICES:
        raise TosaEdgeError(f"there is no --provider {provider!r}", f"Choose one of: {', '.join(CHOICES)}.")


def select_provider(asked: str, starts: Callable[[str], None] | None = None) -> tuple[str, tuple[str, ...]]:
    """The provider to use, and what the user should know. `auto` is the best that is here and starts.

    Args:
        starts: what a provider has to get through; the smallest graph that has work for it, if none is given.
    """
    check_choice(asked)
    if asked != AUTO:
        require(asked)
        return asked, ()
    notes: list[str] = []
    here = installed()
    if here and find_gpu() is not None:
        for provider in here:
            try:
                (starts or start)(provider)
                return provider, (*notes, f"ONNX Runtime computes on the GPU, by its provider {provider}")
            except MachineLacks as error:
                notes.append(f"--provider {provider} is passed over: {error.what}")
    return CPU, tuple(notes)


def require(provider: str) -> None:
    """Refuses what cannot start, as far as that can be told without starting it."""
    if provider == CPU:
        return
    title = TITLES[provider]
    if version(provider) is None:
        raise MachineLacks(
            f"ONNX Runtime's provider for {title} is not installed",
            f"Install it: {INSTALL[provider]}. Or --provider cpu, which every machine has.",
        )
    if find_gpu() is None:
        raise MachineLacks(
            f"ONNX Runtime's provider for {title} needs an NVIDIA GPU, and this machine has none that its "
            "driver can use",
            "Take --provider cpu here; `tosa-edge doctor` says what the machine has.",
        )
    if provider == RTX:
        return _registered()
    import onnxruntime

    if NAMES[provider] not in onnxruntime.get_available_providers():
        raise MachineLacks(
            f"onnxruntime-gpu is installed, and the onnxruntime that is imported knows no {title}",
            MEND,
        )


def open_session(data: bytes, options: Any, provider: str, kinds: frozenset[str] = frozenset()) -> Any:
    """A session that runs on this provider and no other, or two lines that say why not.

    On the CPU it raises what ONNX Runtime raises.

    Args:
        kinds: of numbers in the graph, as `kinds_of` finds them.
    """
    import onnxruntime

    if provider == CPU:
        return onnxruntime.InferenceSession(data, options, providers=[NAMES[CPU]])
    require(provider)
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    with _quiet():
        try:
            session = _on_gpu(data, options, provider, kinds)
        except MachineLacks:
            raise
        except Exception as error:  # its exceptions share no base class below Exception
            raise _not_started(provider, _why(provider) or first_line(error)) from error
    if NAMES[provider] not in session.get_providers():
        raise _not_started(provider, _why(provider) or "it was left out, without a reason")
    left = unassigned_nodes(session, provider)
    if left:
        raise MachineLacks(
            f"ONNX Runtime's provider for {TITLES[provider]} leaves {left}",
            "Take another --provider, or build for TensorRT itself: tosa-edge build --backend tensorrt.",
        )
    return session


def start(provider: str) -> None:
    """Starts it on the smallest graph that has work for it."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [8, 8]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "x"], ["y"])], "start", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _SILENT
    open_session(model.SerializeToString(), options, provider)


def kinds_of(model: onnx.ModelProto) -> frozenset[str]:
    """Of numbers beside float32."""
    half = any(tensor.data_type == _FLOAT16 for tensor in model.graph.initializer)
    int8 = any(node.op_type == "DequantizeLinear" for node in model.graph.node)
    return frozenset(kind for kind, there in ((HALF, half), (INT8, int8)) if there)


def unassigned_nodes(session: Any, provider: str) -> str:
    """Describes heavy nodes that were assigned to another provider; empty without that API (older versions).

    TensorRT's provider leaves what it does not take to CUDA, whose speed and precision are other ones.
    """
    ask = getattr(session, "get_provider_graph_assignment_info", None)
    titles = {NAMES[each]: TITLES[each] for each in NAMES} | {NAMES[CPU]: "the CPU"}
    counts: dict[tuple[str, str], int] = {}
    for part in ask() if ask is not None else ():
        if part.ep_name != NAMES[provider]:
            other = titles.get(part.ep_name, part.ep_name)
            for node in part.get_nodes():
                if node.op_type in _HEAVY:
                    counts[node.op_type, other] = counts.get((node.op_type, other), 0) + 1
    return ", ".join(f"{count} {kind} to {other}" for (kind, other), count in sorted(counts.items()))


def first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__


def _on_gpu(data: bytes, options: Any, provider: str, kinds: frozenset[str]) -> Any:
    import onnxruntime

    if provider == RTX:
        options.add_provider_for_devices(_rtx_devices(), {"nv_runtime_cache_path": str(_cache(provider))})
        return onnxruntime.InferenceSession(data, options, enable_fallback=0)
    _find_libraries(provider)
    cuda: tuple[str, dict[str, str]] = (NAMES[CUDA], {"use_tf32": "0"})
    chosen: list[Any] = [cuda, NAMES[CPU]]
    if provider == TENSORRT:
        # Its engines are known by the names of nodes and not by their weights: a folder for each model.
        cache = str(_cache(provider, hashlib.sha256(data).hexdigest()[:16]))
        settings = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": cache}
        # TensorRT takes the types that a graph is written in, and each of them has to be allowed.
        settings |= {"trt_fp16_enable": "1", "trt_layer_norm_fp32_fallback": "1"} if HALF in kinds else {}
        settings |= {"trt_int8_enable": "1"} if INT8 in kinds else {}
        chosen.insert(0, (NAMES[TENSORRT], settings))
    return onnxruntime.InferenceSession(data, options, providers=chosen, enable_fallback=0)


@lru_cache  # once for a process: a second registration is refused
def _registered() -> None:
    """Makes the plugin known to ONNX Runtime."""
    import onnxruntime

    if machine.version_numbers(onnxruntime.__version__) < _FIRST_WITH_PLUGINS:
        raise MachineLacks(
            f"ONNX Runtime {onnxruntime.__version__} is too old for the provider for TensorRT-RTX",
            "Update it: pip install --upgrade 'onnxruntime>=1.24'.",
        )
    try:
        import onnxruntime_ep_nv_tensorrt_rtx as plugin

        with _quiet():
            onnxruntime.register_execution_provider_library(NAMES[RTX], plugin.get_library_path())
    except Exception as error:  # half an installation raises whatever it likes
        raise _not_started(RTX, first_line(error).rpartition("with error: ")[2]) from error


def _rtx_devices() -> list[Any]:
    import onnxruntime

    found = [device for device in onnxruntime.get_ep_devices() if device.ep_name == NAMES[RTX]]
    if not found:
        raise _not_started(RTX, "it finds no GPU that it can use (RTX 30 series and later)")
    return found[:1]


def _find_libraries(provider: str) -> None:
    """Those that pip brought are in no folder the system knows: loaded by path, once, they are found."""
    import onnxruntime

    if hasattr(onnxruntime, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):  # it prints
            onnxruntime.preload_dlls()
    if provider == TENSORRT:
        with contextlib.suppress(ImportError, OSError):
            import tensorrt  # noqa: F401 - loads its libraries


def _why(provider: str) -> str | None:
    """What its library lacks: asked again after ONNX Runtime could not load it, and kept to itself why."""
    if provider == RTX:
        return None  # registered, so loaded
    import onnxruntime

    folder = Path(onnxruntime.__file__).parent / "capi"
    try:
        ctypes.CDLL(str(folder / f"libonnxruntime_providers_{provider}.so"))
    except OSError as error:
        return first_line(error)
    return None


def _not_started(provider: str, why: str) -> MachineLacks:
    return MachineLacks(
        f"ONNX Runtime's provider for {TITLES[provider]} does not start: {why}",
        f"See `tosa-edge doctor`; it needs: {INSTALL[provider]}. Or --provider cpu.",
    )


def _cache(provider: str, model: str = "") -> Path:
    """For what a provider compiles: seconds to minutes, once for each model, version and GPU."""
    gpu = find_gpu()
    used = (version(provider), machine.onnxruntime_version(), machine.version_of("tensorrt"))
    made_by = repr((used, gpu and (gpu.name, gpu.sm, gpu.cuda, gpu.driver)))
    words = ("onnxruntime", provider, model, hashlib.sha256(made_by.encode()).hexdigest()[:16])
    folder = machine.cache_folder() / "-".join(word for word in words if word)
    with contextlib.suppress(OSError):  # a read-only home: slower next time, no less right
        folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime's own log goes to stderr, over our two lines."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(_SILENT)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(_WARNINGS)
