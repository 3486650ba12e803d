"""What travels to a GPU, made where there is none: `make gpu-pack`.

Into build/gpu/: the cubins that ship; the same from CUDA 12's ptxas, for a driver that refuses those; and of
either, for each major version of TensorRT whose headers TENSORRT_INCLUDE_DIRS names, the plugin library and
the shim that plays TensorRT to it. Then a copy of the tree with all that, without the weights, in one folder
of at most 64 MiB.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.gpu import PACK, ROOT
from tests.gpu.cubin_launch import KERNELS, VARIANTS
from tests.gpu.plugin import SHIM
from tests.plugins import native
from tosa_edge.errors import CheckFailed, MachineLacks, exit_code_of
from tosa_edge.plugins.library import NAME

MOST = 64 * 2**20
LEFT = (".safetensors",)  # weights: random ones do for speed


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.gpu.pack", description="Prepares what travels to a GPU."
    )
    parser.add_argument("--sm", type=int, nargs="+", default=[90], help="the GPUs, such as 90")
    parser.add_argument(
        "--quick", action="store_true", help="one model's kernels, float16, and none of CUDA 12"
    )
    parser.add_argument("--kernels", type=Path, help="a file of those that ship, made before: not made again")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "build/gpu-pack", help="folder of the copy")
    parser.add_argument("--pack", type=Path, default=PACK, help="folder of what is made")
    parser.add_argument("--most", type=int, default=MOST, help="bytes that the copy may have")
    given = parser.parse_args()
    if lacks := native.lacking():
        raise MachineLacks(f"packing {lacks}", "Install it, or pack on another machine.")
    for variant in VARIANTS:
        shutil.rmtree(given.pack / variant, ignore_errors=True)
    for variant in VARIANTS[:1] if given.quick else VARIANTS:
        folder = given.pack / variant
        folder.mkdir(parents=True)
        if variant == VARIANTS[0] and given.kernels:
            shutil.copy(given.kernels, folder / KERNELS)
        else:
            compile_kernels(folder / KERNELS, given.sm, given.quick, variant)
        build_libraries(folder)
    size = copy_tree(given.pack, given.out, given.most)
    print(f"{given.out}: {size / 2**20:.1f} MiB; there: python3 -m tests.gpu")


def compile_kernels(path: Path, architectures: list[int], quick: bool, variant: str, only: str = "") -> None:
    words = [sys.executable, "-m", "tosa_edge.plugins.aot", "-o", str(path), "--sm", *map(str, architectures)]
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    if variant == VARIANTS[1]:
        environment |= dict.fromkeys(
            ("TRITON_PTXAS_PATH", "TRITON_PTXAS_BLACKWELL_PATH"), str(cuda_12s_ptxas())
        )
    words += [*(["--quick"] if quick else []), *(["--only", only] if only else [])]
    done = subprocess.run(words, cwd=ROOT, env=environment)
    if done.returncode:
        raise CheckFailed(f"the {variant} kernels were not compiled", "See above.")


def cuda_12s_ptxas() -> Path:
    """Triton brings it along for the older GPUs."""
    path = native.cuda_headers().parent / "bin/ptxas"
    said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    if "release 12." not in said:
        raise MachineLacks(
            f"{path} is not of CUDA 12: {said.strip().splitlines()[-1:]}",
            "Pack with a Triton that has one, such as 3.9.",
        )
    return path


def build_libraries(folder: Path) -> None:
    headers = {major_of(path): path for path in reversed(native.HEADERS)}
    if not headers:
        print("TENSORRT_INCLUDE_DIRS names no headers: no plugin library is packed", file=sys.stderr)
        return
    try:
        native.call(
            sys.executable, "-m", "tosa_edge.plugins.embed", folder / KERNELS, "-o", folder / "generated"
        )
        for major, path in headers.items():
            built = native.build(
                folder / "made", folder / "generated", headers=path, targets=("tosa_edge_plugins", "shim")
            )
            (folder / f"trt{major}").mkdir()
            for made in (built / "plugin" / NAME, built / SHIM):
                shutil.copy(made, folder / f"trt{major}" / made.name)
            shutil.rmtree(built)
    except AssertionError as error:
        raise CheckFailed(
            f"the plugin library was not built: {error}", "See what the compiler says."
        ) from error
    shutil.rmtree(folder / "generated")


def major_of(headers: Path) -> int:
    text = (headers / "NvInferVersion.h").read_text()
    found = re.search(r"define (?:NV_TENSORRT_MAJOR|TRT_MAJOR_ENTERPRISE) (\d+)", text)
    if not found:
        raise MachineLacks(
            f"{headers} does not say which TensorRT it is of", "Correct TENSORRT_INCLUDE_DIRS."
        )
    return int(found[1])


def copy_tree(pack: Path, out: Path, most: int) -> int:
    """Everything that git has or would take, without weights; and the pack. How many bytes."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        raise MachineLacks("this tree is no git work tree", "Pack from a clone of the repository.")
    names = [name for name in listed.stdout.split("\0") if name and not name.endswith(LEFT)]
    files = {Path(name): ROOT / name for name in names}
    made = [path for variant in VARIANTS for path in (pack / variant).rglob("*")]
    files |= {PACK.relative_to(ROOT) / path.relative_to(pack): path for path in made}
    files = {to: path for to, path in files.items() if path.is_file()}
    sizes = {to: path.stat().st_size for to, path in files.items()}
    if (size := sum(sizes.values())) > most:
        largest = ", ".join(f"{to} ({sizes[to]})" for to in sorted(sizes, key=lambda to: -sizes[to])[:3])
        raise CheckFailed(
            f"the tree without its weights has {size} bytes, more than {most}", f"Leave more out: {largest}"
        )
    shutil.rmtree(out, ignore_errors=True)
    for to, path in files.items():
        (out / to).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, out / to)
    return size


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
