"""INT8 calibration: an empty place until there are INT8 engines."""
