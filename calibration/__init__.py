"""Pictures to calibrate on, ranges, and where quantisation goes."""
