"""The bins in which a top-k file counts how strongly images excite a unit: the same for every unit, layer and network.

Bin 0 counts the images that do not excite it (an activation of 0 or less). Each octave [2^n, 2^(n+1)) from 2^-16 to
2^16 has eight bins of equal width; the first and the last of them take what lies beyond. With bins that are known
before any image is seen, the counts of shards add up.
"""

import numpy as np

OCTAVES = range(-16, 16)
STEPS = 8  # bins in an octave
BINS = 1 + STEPS * len(OCTAVES)
# Lower edges of bins 1, 2 ..., and the upper edge of the last: (BINS,) float32, all of them exact.
EDGES = np.array([2.0**n * (1 + s / STEPS) for n in OCTAVES for s in range(STEPS)] + [2.0**OCTAVES.stop], np.float32)

# A float32 above 0 is its exponent and then its mantissa, one number that grows with it: its leading bits are the bin.
_SHIFT = 23 - (STEPS.bit_length() - 1)
_BEFORE = int(EDGES[:1].view(np.int32)[0] >> _SHIFT) - 1


def bins_of(activations: np.ndarray) -> np.ndarray:
    """Return the bin of each activation, as integers of the same shape. They have to be finite."""
    return bins_of_bits(np.asarray(activations, np.float32).view(np.int32))


def bins_of_bits(bits):
    """Return the bins, int32, of activations whose bits as float32 these are, as int32: an array or a tensor."""
    return ((bits >> _SHIFT) - _BEFORE).clip(1, BINS - 1) * (bits > 0)
