"""Lines the project has drawn for itself."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DEVICE = [
    p
    for folder in ("tosa_edge", "plugins", "calibration")
    for p in (ROOT / folder).rglob("*.py")
    if not {"nn", "training", "tuning"} & set(p.relative_to(ROOT).parts)
]


def imported(path):
    """The modules a file names, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", DEVICE, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_on_the_device_imports_torch(path):
    roots = {name.split(".")[0] for name in imported(path)}
    assert "torch" not in roots
    if path.name not in (
        "export.py",
        "compare.py",
        "distill.py",
        "train.py",
        "tune.py",
    ):  # the verbs that hand over to torch
        assert not any(name.startswith(("tosa_edge.nn", "tosa_edge.training")) for name in imported(path))


# From the ground up: each imports from those before it alone, inside functions too. What only types need
# (`if TYPE_CHECKING`) does not count.
LAYERS = (
    *("errors", "strict_json", "limits", "machine", "console", "progress", "field_checks", "files"),
    *(
        "row_sharing",
        "graph_info",
        "find_model",
        "finite",
        "protobuf_walk",
        "inlined_size",
        "external_data",
        "interface",
        "graph",
    ),
    *("atomic_files", "second_signal", "output_paths"),
    *("plugins", "nn", "export"),
    *("pictures", "cuda", "engine", "backends", "depth_model", "class_model", "runtime"),
    *("evaluation", "calibration", "validate"),
    *("inspection", "diagnosis", "bench", "builder", "batch", "package"),
    *("tuning", "training", "verbs", "cli", "__main__"),
)
FLOOR = {name: number for number, name in enumerate(LAYERS)}


def packages_of(tree):
    """The packages, or single modules, of tosa_edge that a module imports when it runs."""
    types = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for part in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in types:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            root, _, rest = name.partition(".")
            if root == "tosa_edge" and (package := rest.partition(".")[0]) in FLOOR:
                yield package


def upward(name, text):
    """What a module of a package imports from its own floor or above it."""
    return sorted({p for p in packages_of(ast.parse(text)) if p != name and FLOOR[p] >= FLOOR[name]})


def modules():
    for folder in ("tosa_edge", "export", "calibration", "plugins"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield path, parts[1] if folder == "tosa_edge" else folder


def test_no_package_imports_upward():
    found = {}
    for path, package in modules():
        if package == "__init__":  # the public names
            continue
        assert package in FLOOR, f"{package} has no place in LAYERS"
        if above := upward(package, path.read_text()):
            found[str(path.relative_to(ROOT))] = above
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "from tosa_edge.builder.build import build",
        "def late():\n    from tosa_edge import builder",
        "def late():\n    import tosa_edge.cli.run",
    ],
)
def test_an_import_upward_is_seen(text):
    assert upward("engine", text)
    assert not upward("engine", f"if TYPE_CHECKING:\n    {text.splitlines()[-1].strip()}")


# Who may write files, and why without `tosa_edge.atomic_files`.
WRITERS = {
    "tosa_edge/atomic_files.py": "the one who does it for the others",
    "tosa_edge/output_paths.py": "makes the folder of a run, so that no other run takes it",
    "tosa_edge/engine/store.py": "locks, and sweeps after builds that were killed",
    "tosa_edge/builder/onnxruntime_builder.py": "removes what ONNX Runtime wrote under a temporary name",
    "tosa_edge/training/loop.py": "a log grows line by line",
    "tosa_edge/engine/providers.py": "makes the folder where ONNX Runtime keeps what it compiles",
    "tosa_edge/bench/memory.py": "a counter of the kernel's",
}
TOOLS = (
    "plugins/",
    "tosa_edge/training/render/",
    "tosa_edge/training/study/",
    "tosa_edge/cuda/compile.py",
)
WRITES = {
    *("imwrite", "save_file", "savez", "tofile", "touch", "write_bytes", "write_text"),
    *(
        "copyfile",
        "copytree",
        "hardlink_to",
        "makedirs",
        "mkdir",
        "move",
        "rename",
        "rmtree",
        "symlink_to",
        "unlink",
    ),
}


def writes(path):
    """Lines on which a module writes, by the names of what it calls."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        modes = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "mode")]
        opens = name == "open" and any(
            isinstance(m, ast.Constant) and set(str(m.value)) & set("wax+") for m in modes
        )
        replaces = name == "replace" and getattr(getattr(node.func, "value", None), "id", "") in (
            "os",
            "shutil",
        )
        if name in WRITES or opens or replaces:
            yield node.lineno


def test_files_are_written_through_one_module():
    """A module that writes uses the temporary names of `tosa_edge.atomic_files`, or stands in the list."""
    found = {}
    for folder in ("tosa_edge", "export", "calibration", "plugins"):
        for path in (ROOT / folder).rglob("*.py"):
            name = str(path.relative_to(ROOT))
            atomic = any(module == "tosa_edge.atomic_files" for module in imported(path))
            if (
                not name.startswith(TOOLS)
                and name not in WRITERS
                and not atomic
                and (lines := list(writes(path)))
            ):
                found[name] = lines
    # The open file of a sink is inside the folder that `FilesSink` renames when it is whole.
    found.pop("tosa_edge/runtime/sinks/files.py", None)
    # As is that of a shard's table, which `batch/work.py` renames.
    found.pop("tosa_edge/batch/depth.py", None)
    # And the file of this one is what `VideoSink` renames.
    found.pop("tosa_edge/runtime/sinks/pyav_writer.py", None)
    assert found == {}
    assert all(list(writes(ROOT / name)) for name in WRITERS)


# Where each verb that has an option for a place to write asks whether it may.
CLAIMS = {
    "batch": "tosa_edge/batch/run.py",
    "bench": "tosa_edge/verbs/compare.py",
    "build": "tosa_edge/builder/build.py",
    "calibrate": "tosa_edge/verbs/calibrate.py",
    "demo": "tosa_edge/verbs/run_pipeline.py",
    "distill": "tosa_edge/verbs/distill.py",
    "tune": "tosa_edge/verbs/tune.py",
    "export": "tosa_edge/verbs/export.py",
    "package": "tosa_edge/verbs/package.py",
    "run": "tosa_edge/verbs/run_pipeline.py",
    "train": "tosa_edge/verbs/train.py",
}


def test_every_verb_that_writes_claims_its_outputs():
    import typer.main

    from tosa_edge.cli import app

    verbs = typer.main.get_command(app).commands
    writing = {
        name
        for name, verb in verbs.items()
        if {"-o", "--out", "--record"} & {o for p in verb.params for o in p.opts}
    }
    assert writing == set(CLAIMS)
    for name, place in CLAIMS.items():
        calls = [n for n in ast.walk(ast.parse((ROOT / place).read_text())) if isinstance(n, ast.Call)]
        assert any(getattr(call.func, "id", "") == "refuse_overwrites" for call in calls), place
        assert "--force" in {o for p in verbs[name].params for o in p.opts}


def test_the_method_is_one_file_of_under_200_lines():
    assert len((ROOT / "tosa_edge/nn/tosa.py").read_text().splitlines()) < 200


def test_help_loads_nothing_heavy():
    heavy = {"torch", "onnx", "onnxruntime", "cv2", "numpy"}
    code = f"import sys, tosa_edge.cli; print(sorted(set(sys.modules) & {heavy}))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_mypy_reads_every_module(monkeypatch):
    """Those in the mapped folders too, which it finds by the links in `.mypy`."""
    main = pytest.importorskip("mypy.main", reason="mypy is not installed")
    monkeypatch.chdir(ROOT)
    sources, _ = main.process_options(["--config-file", "pyproject.toml"])
    read = {Path(source.path).resolve() for source in sources if source.path}
    for folder in ("tosa_edge", "calibration", "export", "plugins"):
        assert set((ROOT / folder).rglob("*.py")) <= read, folder
