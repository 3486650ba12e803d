"""Checkpoint to portable ONNX to plugin and reuse forms."""
