"""MODEL to an engine and its manifest, in one call."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tosa_edge import __version__
from tosa_edge.builder.candidates import Candidate, about_choice, candidates
from tosa_edge.builder.describe import BuildPlan, describe
from tosa_edge.builder.result import BuildProgress, BuildResult
from tosa_edge.builder.steps import Steps
from tosa_edge.calibration import Settings, scales_of
from tosa_edge.engine import BACKENDS, ONNXRUNTIME, PRECISIONS, TENSORRT
from tosa_edge.engine.build_source import find_source, load_source, model_and_variant, rest_is_half
from tosa_edge.engine.compatibility import TITLES
from tosa_edge.engine.forms import form_for
from tosa_edge.engine.load import check_engine
from tosa_edge.engine.manifest import FAILED, NOT_RUN, PASSED, Manifest
from tosa_edge.engine.names import EngineName, manifest_path, suffix_of
from tosa_edge.engine.providers import CPU
from tosa_edge.engine.select_backend import (
    AUTO,
    NATIVE,
    PLUGIN,
    BackendChoice,
    LayerChoice,
    choose_plugin,
    select_backend_and_provider,
)
from tosa_edge.engine.store import build_lock, is_ours, save
from tosa_edge.engine.tensorrt_versions import unchecked
from tosa_edge.engine.this_machine import Machine
from tosa_edge.errors import TosaEdgeError
from tosa_edge.files import sha256_of
from tosa_edge.find_model import DEFAULT_MODEL, files_of
from tosa_edge.output_paths import refuse_overwrites
from tosa_edge.plugins import DOMAIN, library
from tosa_edge.validate.references import digest_of

if TYPE_CHECKING:
    from tosa_edge.graph import LoadedGraph
    from tosa_edge.validate.parity import ParityReport

__all__ = ["BuildProgress", "BuildResult", "build"]

FOLDER = Path("engines")
_FAILED_VALIDATION = "it failed validation"


def build(
    spec: str = DEFAULT_MODEL,
    precision: str | None = None,
    backend: str = AUTO,
    pictures: Path | None = None,
    targets: tuple[int, ...] = (),
    out: Path | None = None,
    progress: BuildProgress = BuildProgress(),
    *,
    max_drop: float | None = None,
    plugin: str = AUTO,
    provider: str = AUTO,
    validate: bool = True,
    force: bool = False,
    steps: Steps = Steps(),
) -> BuildResult:
    """An engine for this machine, or for the `targets`.

    Args:
        spec: a MODEL: bundled name, model folder or `.onnx` file.
        precision: fp32, fp16 or int8; None is what MODEL is in.
        pictures: a folder or a video to learn INT8 ranges from.
        out: a file, or a folder for the engine under its own name.
        max_drop: of delta1 in calibration; what costs most stays in float.
        plugin: on or off: our layers in TensorRT, or its own. auto: the faster of them.
        provider: cpu, cuda, tensorrt or rtx: what computes, where ONNX Runtime is the backend.
        force: replace what is there and is no engine of ours.
        validate: compare the engine with its float32 model. What fails is built all the same, and says so.
        steps: who does what takes a GPU or minutes.
    """
    began = time.perf_counter()
    if precision not in (None, *PRECISIONS):
        raise TosaEdgeError(
            f"there is no precision {precision!r}", f"Choose one of: {', '.join(PRECISIONS)}."
        )
    machine = steps.machine((backend,) if backend in BACKENDS else BACKENDS)
    choice = select_backend_and_provider(backend, provider, machine, targets)
    if max_drop is not None and pictures is None:
        raise TosaEdgeError(
            "--max-drop is for calibration, and there is none without pictures",
            "Add --precision int8 --calib PATH, or leave --max-drop out.",
        )
    source = find_source(spec, precision, rest_is_half(choice.backend, choice.provider, pictures is not None))
    graph, precision = load_source(source, precision, pictures is not None)
    form = form_for(choice.backend, machine.versions.get(choice.backend), precision, choice.provider)
    layers = _layers_for(plugin, choice.backend, graph)
    engine = _place(out, _named(source, graph, precision, choice, targets, machine), choice.backend)
    replaced: list[str] = []
    refuse_overwrites(
        [engine, manifest_path(engine)],
        [*files_of(str(source)), *([pictures] if pictures else [])],
        force=force,
        former=is_ours,
        say=replaced.append,
    )
    plan = BuildPlan(
        source, graph, precision, choice, targets, pictures, None, machine, layers.layer_kinds, form.attention
    )
    with build_lock(engine, progress.on_wait):
        progress.say(_announcement(graph, precision, choice.backend, engine))
        refused: list[str] = []
        if pictures is not None:
            plan, refused = _calibrated(plan, pictures, max_drop, progress, steps)
        done = _found_or_made(engine, plan, max_drop, validate, progress, steps, replaced)
    manifest, report = done.manifest, done.report
    return BuildResult(
        engine=engine,
        manifest=manifest_path(engine),
        backend=choice.backend,
        precision=precision,
        bytes=manifest.engine_bytes,
        seconds=round(time.perf_counter() - began, 3),
        reused=done.reused,
        validation=manifest.validation.result,
        notes=(
            *choice.notes,
            *layers.notes,
            *done.about_form,
            *_advice(manifest),
            *_warning(engine, manifest, machine),
            *done.about_report,
        ),
        checks=tuple(asdict(check) for check in manifest.validation.checks),
        departed=report.divergence.layer if report and report.divergence else None,
        reproduce=report.command if report else None,
        refused=tuple(refused),
    )


@dataclass(frozen=True)
class _Done:
    """The engine that is there now, what its validation found, and notes."""

    manifest: Manifest
    report: ParityReport | None
    about_report: tuple[str, ...]
    about_form: tuple[str, ...] = ()
    reused: bool = False


def _found_or_made(
    engine: Path,
    plan: BuildPlan,
    max_drop: float | None,
    validate: bool,
    progress: BuildProgress,
    steps: Steps,
    replaced: list[str],
) -> _Done:
    """The engine that is there, if this build would only make it again; else the first candidate that passes,
    or the last. The caller holds the engine's lock.

    Args:
        replaced: said when something is going to be.
    """

    def judged(manifest: Manifest) -> tuple[Manifest, ParityReport | None, tuple[str, ...]]:
        if not validate or manifest.validation.result == PASSED:
            return manifest, None, ()
        return steps.validate(engine, manifest, plan.graph, plan.machine, progress.on_step)

    found = _reusable_manifest(engine, plan)
    # What crashes the GPU ends the process's use of it: the plain form is left for the next build.
    wrong = found is not None and plan.attention and _is_wrong_attention(found)
    if found is not None and not wrong:
        return _Done(*judged(found), reused=True)
    for text in replaced:
        progress.say(text)
    about_form: list[str] = []
    for made in _candidates_in_order(engine, plan, progress, steps, about_form, wrong):
        done = _Done(*judged(_saved(engine, plan, made, max_drop)))
        if done.manifest.validation.result != FAILED:
            break
    return replace(done, about_form=tuple(about_form))


def _announcement(graph: LoadedGraph, precision: str, backend: str, engine: Path) -> str:
    """What is going to be made, where, and how large it gets: a weight takes 4, 2 or 1 byte."""
    from math import prod

    numbers = sum(prod(tensor.dims) for tensor in graph.proto.graph.initializer)
    size = numbers * {"fp32": 4, "fp16": 2, "int8": 1}[precision] / 1e6
    if precision == "fp16" and backend == ONNXRUNTIME:
        size *= 2  # it computes in float32, and stores the weights so
    return f"building {graph.label} in {precision} for {TITLES[backend]}: {engine}, about {size:.0f} MB"


def _place(out: Path | None, name: EngineName, backend: str) -> Path:
    suffix = suffix_of(backend)
    if out is None:
        return FOLDER / str(name)
    if out.suffix not in (".engine", ".onnx") or out.is_dir():
        return out / str(name)
    if out.suffix != suffix:
        raise TosaEdgeError(
            f"an engine for {backend} ends in {suffix}, and {out} does not",
            f"Write -o {out.with_suffix(suffix)}, or name a folder.",
        )
    return out


def _named(
    source: Path,
    graph: LoadedGraph,
    precision: str,
    choice: BackendChoice,
    targets: tuple[int, ...],
    machine: Machine,
) -> EngineName:
    model, variant = model_and_variant(source, graph.info)
    info = graph.info
    own = (machine.gpu.sm,) if choice.backend == TENSORRT and machine.gpu else targets
    provider = None if choice.provider == CPU else choice.provider
    return EngineName(
        model, variant, info.height, info.width, info.batch, precision, choice.backend, own, provider
    )


def _layers_for(asked: str, backend: str, graph: LoadedGraph) -> LayerChoice:
    here = library.find_library() if backend == TENSORRT else None
    operators = sum(node.domain == DOMAIN for node in graph.proto.graph.node)
    return choose_plugin(asked, backend, here, operators)


def _calibrated(
    plan: BuildPlan, pictures: Path, max_drop: float | None, progress: BuildProgress, steps: Steps
) -> tuple[BuildPlan, list[str]]:
    """The plan with the quantised graph and its digest, by which an engine of the same calibration is known;
    and what pictures were left out."""
    made = steps.calibrate(plan.graph, pictures, Settings(max_drop=max_drop), progress.on_step)
    graph = replace(plan.graph, proto=made.model)
    return replace(plan, graph=graph, calibration=digest_of(made.model)), made.refused


def _candidates_in_order(
    engine: Path,
    plan: BuildPlan,
    progress: BuildProgress,
    steps: Steps,
    notes: list[str],
    wrong: bool = False,
) -> Iterator[Candidate]:
    """The candidates, those in the attention form first where the backend has that operator.

    TensorRT has no fallback: if an attention cannot be fused, its build fails and the plain form is next.

    Args:
        wrong: it was built before, and failed validation.
    """
    why = _FAILED_VALIDATION
    if plan.attention and not wrong:
        from tosa_edge.export.attention_form import OPERATOR, to_attention_form

        try:
            fused = replace(plan.graph, proto=to_attention_form(plan.graph.proto))
            for made in candidates(engine, replace(plan, graph=fused), progress, steps):
                yield replace(made, settings={**made.settings, "attention": OPERATOR})
        except TosaEdgeError as error:
            why = " ".join(error.what.split())[:400]
    if plan.attention:
        notes.append(f"attention as one operator is not used, the plain form is: {why}")
    for made in candidates(engine, plan, progress, steps):
        plain = {"attention": f"plain: {why}"} if plan.attention else {}
        yield replace(made, settings={**made.settings, **plain})


def _is_wrong_attention(manifest: Manifest) -> bool:
    from tosa_edge.export.attention_form import OPERATOR

    return manifest.validation.result == FAILED and manifest.settings.get("attention") == OPERATOR


def _reusable_manifest(engine: Path, plan: BuildPlan) -> Manifest | None:
    """The manifest of an existing engine that matches this build, or None."""
    if not engine.is_file():
        return None
    try:
        manifest, _ = check_engine(engine, plan.machine, to_run=False)
    except TosaEdgeError:
        return None
    m = manifest
    if "plugin_refused" in (m.plugin_choice or {}):
        return None  # whatever kept the plugin out may be mended by now
    if ("attention" in m.settings) != plan.attention:
        return None  # built by an older tosa-edge or TensorRT
    if str(m.settings.get("attention")).startswith("plain: ") and (
        m.settings["attention"] != f"plain: {_FAILED_VALIDATION}"
    ):
        return None  # whatever kept the operator from being built, memory perhaps, may be mended by now
    layers = (NATIVE, PLUGIN) if m.plugin_choice else (PLUGIN if m.plugin else NATIVE,)
    own = m.provider.name if m.provider else CPU
    same = (m.backend, own, m.precision, m.targets, m.calibration, layers, m.model_sha256, m.tosa_edge)
    wanted = (
        plan.choice.backend,
        plan.choice.provider,
        plan.precision,
        plan.targets,
        plan.calibration,
        plan.layer_kinds,
    )
    return manifest if same == (*wanted, sha256_of(plan.source), __version__) else None


def _saved(engine: Path, plan: BuildPlan, made: Candidate, max_drop: float | None) -> Manifest:
    scales = scales_of(plan.graph.proto)
    settings = made.settings if scales is None else {**made.settings, "int8_scales": scales}
    settings = settings if max_drop is None else {**settings, "max_drop": max_drop}
    manifest = describe(plan, made.data, settings)
    manifest = replace(manifest, plugin=made.plugin, plugin_choice=made.choice)
    save(engine, made.data, manifest)
    return manifest


def _warning(engine: Path, manifest: Manifest, machine: Machine) -> tuple[str, ...]:
    """Of an engine of TensorRT in half precision, int8 or not, that nobody compared."""
    m = manifest
    if m.backend != TENSORRT or m.precision == "fp32" or m.validation.result != NOT_RUN:
        return ()
    sm = machine.gpu.sm if machine.gpu else None
    return (unchecked(m.backend_version, sm, m.precision, str(engine)),)


def _advice(manifest: Manifest) -> tuple[str, ...]:
    if manifest.plugin_choice:
        return (about_choice(manifest.plugin_choice),)
    if manifest.backend != ONNXRUNTIME or manifest.provider is not None:
        if manifest.settings.get("int8_scales") == "float32":
            return (
                "its int8 is the form for CPUs, among float32; the one for GPUs is made of an fp16 graph: "
                "`tosa-edge export --precision fp16`, then `tosa-edge calibrate --for gpu`",
            )
        return ()
    if manifest.precision == "fp16":
        return (
            "on a CPU ONNX Runtime computes float16 in float32 and keeps the weights so: this engine is as "
            "large as that of fp32, and no faster; fp32 or int8 serve better here",
        )
    if manifest.precision == "int8" and not manifest.settings.get("integer_layers"):
        return ("this ONNX Runtime computes no layer of it in int8: it is no faster than float32",)
    return ()
