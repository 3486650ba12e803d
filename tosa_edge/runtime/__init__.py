"""Frames to depth in real time: sources, the pipeline, metric scale, and sinks."""
