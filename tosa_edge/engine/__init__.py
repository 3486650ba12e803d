"""An engine: its file and manifest, the machine it fits, and the libraries that build and open one.

An engine is a file that only the software and hardware it was made for can use. Its manifest, a JSON file
beside it, says what those are; `load_engine` compares first and opens second.

Example:
    >>> from tosa_edge.builder.build import build
    >>> built = build("tosa_depth_s", precision="fp16")
    >>> DepthModel.load(str(built.engine))
"""

ONNXRUNTIME = "onnxruntime"
TENSORRT = "tensorrt"
TENSORRT_RTX = "tensorrt-rtx"
BACKENDS = (ONNXRUNTIME, TENSORRT, TENSORRT_RTX)
# What computes for ONNX Runtime where it is not the CPU, the best first.
GPU_PROVIDERS = ("rtx", "tensorrt", "cuda")
PRECISIONS = ("fp32", "fp16", "int8")
