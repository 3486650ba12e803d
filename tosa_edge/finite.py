"""Weights that are no numbers: one makes every depth NaN, and nothing at run time says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

# Each kind of float as the bits it is read by, and those of its exponent: NaN and infinity have all of them.
_KINDS = {1: ("<u4", 0x7F80_0000), 10: ("<u2", 0x7C00), 16: ("<u2", 0x7F80), 11: ("<u8", 0x7FF0 << 48)}
_AT_ONCE = 1 << 18  # numbers, for which little memory has to be taken


def is_finite(tensor: onnx.TensorProto) -> bool:
    """Whether all of a tensor's floats are numbers. An infinity on its own may be a bound, and passes."""
    kind, mask = _KINDS.get(tensor.data_type, ("", 0))
    if not kind:
        return True
    if raw := tensor.raw_data:  # each time it is asked for it is copied
        bits = np.frombuffer(raw, kind, len(raw) // np.dtype(kind).itemsize)
    elif tensor.int32_data:  # the two kinds of 16 bits
        bits = np.array(tensor.int32_data, np.int32).astype(kind)
    else:
        wide = tensor.data_type == 11
        values = tensor.double_data if wide else tensor.float_data
        bits = np.array(values, np.float64 if wide else np.float32).view(kind)
    if not any(((bits[i : i + _AT_ONCE] & mask) == mask).any() for i in range(0, len(bits), _AT_ONCE)):
        return True
    return len(bits) == 1 and not bits[0] & (mask & -mask) - 1  # no bit below the exponent: infinity, no NaN
