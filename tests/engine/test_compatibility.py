"""Every mismatch a user meets: one sentence, and the command that mends it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.engine.samples import DATA, ORIN, RTX4070, XEON, file, for_rtx, machine, manifest, on_jetson
from tosa_edge.engine import ONNXRUNTIME, TENSORRT, TENSORRT_RTX
from tosa_edge.engine.compatibility import EngineFile, compare
from tosa_edge.engine.manifest import Plugin

ORT = "tosa-edge build tosa_depth_s:g1 --precision fp32 --backend onnxruntime -o e/x.engine"
TRT = "tosa-edge build tosa_depth_s:g1 --precision fp32 --backend tensorrt -o e/x.engine"
RTX = (
    "tosa-edge build tosa_depth_s:g1 --precision fp32 --backend tensorrt-rtx"
    " --target 86 --target 89 -o e/x.engine"
)
ON = TRT.replace(" -o", " --plugin on -o")
JETSON = on_jetson().host
OLD = replace(JETSON, multiprocessors=None, module=None)  # of a manifest before format 4
PLUGIN = Plugin("tosa_edge", "1", "a" * 64)


@pytest.mark.parametrize(
    ("made", "here"),
    [
        (manifest(), machine()),
        (manifest(), machine(RTX4070)),
        (on_jetson(), machine(ORIN)),
        (on_jetson(), machine(ORIN, host=replace(JETSON, cpu="another"))),
        (on_jetson(host=OLD), machine(ORIN, host=JETSON)),
        (on_jetson(plugin=PLUGIN), machine(ORIN, plugin_sha256="a" * 64)),
        (for_rtx(), machine(RTX4070)),
        (for_rtx(targets=()), machine(RTX4070)),
    ],
)
def test_what_fits_is_let_through(made, here):
    assert compare(made, here, file(), made.model_sha256, made.precision) is None


def other(**versions):
    return {**machine().versions, **versions}


CASES = {
    "cut short": (
        (manifest(), machine(), file(data=DATA[:9])),
        f"e/x.engine is cut short: 9 of {len(DATA)} bytes",
        ORT,
    ),
    "edited": (
        (manifest(), machine(), file(data=DATA[:-1] + b"!")),
        "e/x.engine is not the file its manifest describes: it was changed, or belongs to another manifest",
        ORT,
    ),
    "grown": (
        (manifest(), machine(), file(data=DATA + b"more")),
        "e/x.engine is not the file its manifest describes: it was changed, or belongs to another manifest",
        ORT,
    ),
    "not read": (
        (manifest(), machine(), EngineFile(file().path, len(DATA), None)),
        "e/x.engine is not the file its manifest describes: it was changed, or belongs to another manifest",
        ORT,
    ),
    "another ONNX Runtime": (
        (manifest(), machine(versions=other(**{ONNXRUNTIME: "1.24.0"})), file()),
        "e/x.engine was built for ONNX Runtime 1.23.2, and this is ONNX Runtime 1.24.0",
        ORT,
    ),
    "another TensorRT": (
        (on_jetson(), machine(ORIN, versions=other(**{TENSORRT: "10.13.3"})), file()),
        "e/x.engine was built for TensorRT 10.3.0, and this is TensorRT 10.13.3",
        TRT,
    ),
    "another TensorRT-RTX": (
        (for_rtx(), machine(RTX4070, versions=other(**{TENSORRT_RTX: "1.8.0"})), file()),
        "e/x.engine was built for TensorRT-RTX 1.7.1.116, and this is TensorRT-RTX 1.8.0",
        RTX,
    ),
    "no TensorRT-RTX": (
        (for_rtx(), machine(RTX4070, versions=other(**{TENSORRT_RTX: None})), file()),
        "e/x.engine was built for TensorRT-RTX 1.7.1.116, which is not installed"
        " (first: pip install 'tosa-edge[rtx]')",
        RTX,
    ),
    "another kind of GPU": (
        (on_jetson(), machine(RTX4070), file()),
        "e/x.engine was built for Orin (sm87), and the GPU here is NVIDIA GeForce RTX 4070 (sm89)",
        TRT,
    ),
    "another GPU of that kind": (
        (on_jetson(), machine(replace(ORIN, name="Orin Nano")), file()),
        "e/x.engine was built and timed on Orin, and the GPU here is Orin Nano",
        TRT,
    ),
    "a smaller Orin": (
        (on_jetson(), machine(ORIN, host=replace(JETSON, multiprocessors=4)), file()),
        "e/x.engine was built and timed on Jetson Orin Nano with 8 multiprocessors,"
        " and this is Jetson Orin Nano with 4 multiprocessors",
        TRT,
    ),
    "another Orin of that size": (
        (on_jetson(), machine(ORIN, host=replace(JETSON, module="Jetson Orin NX")), file()),
        "e/x.engine was built and timed on Jetson Orin Nano with 8 multiprocessors,"
        " and this is Jetson Orin NX with 8 multiprocessors",
        TRT,
    ),
    "not among the targets": (
        (for_rtx(), machine(replace(RTX4070, sm=120, name="NVIDIA GeForce RTX 5090")), file()),
        "e/x.engine was built for sm86, sm89, and the GPU here is sm120 (NVIDIA GeForce RTX 5090)",
        RTX,
    ),
    "another plugin": (
        (on_jetson(plugin=PLUGIN), machine(ORIN, plugin_sha256="b" * 64), file()),
        "e/x.engine was built with another build of the plugin tosa_edge than this machine has",
        ON,
    ),
    "another plugin, which was faster": (
        (on_jetson(plugin=PLUGIN, plugin_choice={"kept": "plugin"}), machine(ORIN), file()),
        "e/x.engine was built with the plugin tosa_edge, which is not here (docs/plugin.md)",
        TRT,
    ),
    "no plugin": (
        (on_jetson(plugin=PLUGIN), machine(ORIN), file()),
        "e/x.engine was built with the plugin tosa_edge, which is not here (docs/plugin.md)",
        ON,
    ),
    "another model": (
        (manifest(), machine(), file(), "2" * 64),
        "e/x.engine was built from another tosa_depth_s:g1 than the one that is here now",
        ORT,
    ),
    "another precision": (
        (manifest(), machine(), file(), None, "fp16"),
        "e/x.engine is an fp32 engine, and fp16 was asked for",
        "tosa-edge build tosa_depth_s:g1 --precision fp16 --backend onnxruntime -o e",
    ),
    "another CPU": (
        (manifest(), machine(host=replace(XEON, cpu_features=("avx2", "avx_vnni"))), file()),
        "e/x.engine was optimised for the CPU Intel(R) Xeon(R), which differs from this one in:"
        " avx512f, avx_vnni",
        ORT,
    ),
    "another architecture": (
        (manifest(), machine(host=replace(XEON, arch="aarch64")), file()),
        "e/x.engine was optimised for x86_64, and this machine is aarch64",
        ORT,
    ),
    "int8 and its pictures": (
        (
            manifest(precision="int8", calibration="c" * 64, pictures="/data/my rooms"),
            machine(),
            file(data=b"x"),
        ),
        f"e/x.engine is cut short: 1 of {len(DATA)} bytes",
        "tosa-edge build tosa_depth_s:g1 --precision int8 --backend onnxruntime"
        " --calib '/data/my rooms' -o e/x.engine",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mismatch_has_its_sentence_and_its_command(case):
    given, reason, command = CASES[case]
    found = compare(*given)
    assert found is not None
    assert (found.reason, found.rebuild, found.lacks) == (reason, command, False)


def test_without_a_gpu_the_way_out_is_the_cpu():
    found = compare(for_rtx(), machine(), file())
    assert found is not None
    assert found.lacks
    assert found.reason == (
        "e/x.engine needs an NVIDIA GPU, and this machine has none that its driver can use"
        " (built for TensorRT-RTX 1.7.1.116 on Intel(R) Xeon(R))"
    )
    assert found.rebuild == ("tosa-edge build tosa_depth_s:g1 --precision fp32 --backend onnxruntime -o e")
    # To be handed on, it is as good as it was.
    assert compare(for_rtx(), machine(), file(), to_run=False) is None


def test_what_is_wrong_with_the_file_is_said_before_anything_else():
    found = compare(for_rtx(), machine(), file(data=b"x"), "2" * 64)
    assert found is not None
    assert "cut short" in found.reason
