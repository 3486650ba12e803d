"""How a position embedding is brought to another grid, by name; PyTorch is not needed to say so.

offset      bicubic by the factor (new + 0.1) / old: DINOv2's guard against rounding, and Depth Anything's
size        bicubic to the exact size: transformers' for both
antialias   the same, low-pass filtered: DINOv2 with registers, timm
"""

RULES = ("offset", "size", "antialias")
