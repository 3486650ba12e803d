"""INT8 from pictures: which layers, what ranges, the Q/DQ graph, and what it costs."""

from tosa_edge.calibration.int8 import Calibrated, calibrate, quantise
from tosa_edge.calibration.quantised import activations_of, calibration_of, scales_of
from tosa_edge.calibration.settings import Settings

__all__ = ["Calibrated", "Settings", "activations_of", "calibrate", "calibration_of", "quantise", "scales_of"]
