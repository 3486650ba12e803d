"""The backend that runs anywhere: ONNX Runtime, on the CPU or by another of its providers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tosa_edge import machine
from tosa_edge.backends import Backend
from tosa_edge.engine.providers import CPU, first_line, kinds_of, open_session
from tosa_edge.errors import TosaEdgeError
from tosa_edge.interface import Port

if TYPE_CHECKING:
    import numpy as np

    from tosa_edge.graph import LoadedGraph

_DTYPES = {"double": "float64", "float": "float32", "float16": "float16"}
_FATAL_ONLY = 4
# Where there is no VNNI, products of INT8 are added in pairs in 16 bits, which are too few for weights of
# 8 bits: sums saturate. This makes those processors, and only those, use 32.
EXACT_INT8 = ("session.x64quantprecision", "1")


class OnnxRuntimeBackend(Backend):
    """Runs one graph in ONNX Runtime.

    Args:
        graph: a complete graph, as `load_graph` gives it.
        threads: 0 means one for each core.
        profile: a path prefix; when given, ONNX Runtime's profile is written there by `deactivate`.
        optimise: False computes the graph node for node, as it is written: slower, and what others are
            compared with.
        provider: cpu, cuda, tensorrt or rtx; one that does not start is refused, never replaced.
    """

    def __init__(
        self,
        graph: LoadedGraph,
        threads: int = 0,
        profile: Path | None = None,
        optimise: bool = True,
        provider: str = CPU,
    ) -> None:
        self.label = graph.label
        self.threads = machine.threads(threads)
        self.profile = profile
        self.optimise = optimise
        self.provider: str = provider
        self._kinds = kinds_of(graph.proto)
        self._form = graph.info.form
        self.profile_path: Path | None = None
        self._bytes: bytes | None = graph.bytes()
        self._session: Any = None

    def activate(self) -> None:
        if self._session is not None:
            return
        if self._bytes is None:
            raise RuntimeError("the graph was given away by release_bytes(); make a new backend")
        if self._form == "plugin":
            raise TosaEdgeError(
                f"{self.label} is in plugin form, which TensorRT computes with our plugin (docs/plugin.md)",
                "Give ONNX Runtime the portable form: tosa-edge export CKPT -o FILE.onnx --form portable.",
            )
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        # Planned memory comes on top of the arena that the first run has filled: twice the memory from the
        # second run on, and measured no faster.
        options.enable_mem_pattern = False
        levels = onnxruntime.GraphOptimizationLevel
        options.graph_optimization_level = levels.ORT_ENABLE_ALL if self.optimise else levels.ORT_DISABLE_ALL
        options.log_severity_level = _FATAL_ONLY  # our errors say it in two lines
        # Idle workers spin after a run: they would take the cores from the next session, or the camera.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.add_session_config_entry(*EXACT_INT8)
        if self.profile is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(self.profile)
        try:
            self._session = open_session(self._bytes, options, self.provider, self._kinds)
        except TosaEdgeError:
            raise
        except Exception as error:  # its exceptions share no base class below Exception
            raise TosaEdgeError(
                f"ONNX Runtime {onnxruntime.__version__} cannot load {self.label}: {first_line(error)}",
                "Export it again with `tosa-edge export`, or update onnxruntime (see `tosa-edge doctor`).",
            ) from error

    def deactivate(self) -> None:
        if self._session is not None and self.profile is not None:
            self.profile_path = Path(self._session.end_profiling())
        self._session = None

    @property
    def session(self) -> Any:
        """ONNX Runtime's own, for tools that take one; with whoever holds it, it outlives `deactivate`."""
        return self._active()

    def release_bytes(self) -> None:
        """Frees the serialised graph: the session has its own copy. The backend cannot be activated again."""
        self._bytes = None

    @property
    def inputs(self) -> tuple[Port, ...]:
        return tuple(_port(p) for p in self._active().get_inputs())

    @property
    def outputs(self) -> tuple[Port, ...]:
        return tuple(_port(p) for p in self._active().get_outputs())

    def infer(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        session = self._active()
        try:
            results = session.run(None, feeds)
        except Exception as error:
            ports = ", ".join(f"{p.name} {p.dtype} {list(p.shape)}" for p in self.inputs)
            raise TosaEdgeError(
                f"{self.label} did not run: {first_line(error)}", f"Its inputs are: {ports}."
            ) from error
        return dict(zip((p.name for p in session.get_outputs()), results, strict=True))

    def _active(self) -> Any:
        if self._session is None:
            raise RuntimeError("the backend is not active: use it in a `with`, or call activate() first")
        return self._session


def _port(argument: Any) -> Port:
    kind = argument.type.removeprefix("tensor(").removesuffix(")")
    return Port(argument.name, _DTYPES.get(kind, kind), tuple(argument.shape))
