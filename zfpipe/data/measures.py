"""What an image looks like in a few numbers, taken from a grey copy whose shorter side is at most 256 pixels.

That is about what a network sees of it, and it makes the numbers of small and of large photographs comparable.
"""

from dataclasses import dataclass

import imagehash
import numpy as np
from PIL import Image, ImageChops

SIDE = 256  # pixels
LEVELS = np.arange(256)
COLOURFUL = 32  # levels between two channels that nobody takes for grey


@dataclass(frozen=True)
class Measures:
    """Of the grey values 0 to 255: mean, standard deviation, and the range that holds 98 %; and three more."""

    brightness: float
    deviation: float
    tones: int
    sharpness: float  # variance of the Laplacian
    colour: int  # largest difference between two channels of a pixel, exact up to COLOURFUL
    phash: int  # ImageHash's perceptual hash, 64 bits


def measure(image: Image.Image) -> Measures:
    """Measure an upright RGB image."""
    grey = at_most(image.convert("L"), SIDE)
    counts = np.array(grey.histogram())
    total = counts.sum()
    mean = counts @ LEVELS / total
    deviation = np.sqrt(counts @ (LEVELS - mean) ** 2 / total)
    low, high = np.searchsorted(counts.cumsum(), [0.01 * total, 0.99 * total])
    return Measures(
        float(mean), float(deviation), int(high - low), sharpness(grey), _colour(image), perceptual_hash(grey)
    )


def at_most(image: Image.Image, side: int) -> Image.Image:
    """Return the image with a shorter side of at most `side` pixels; a smaller one is left as it is."""
    short = min(image.size)
    if short <= side:
        return image
    size = tuple(max(1, round(length * side / short)) for length in image.size)
    return image.resize(size, Image.Resampling.BOX)


def sharpness(grey: Image.Image) -> float:
    """Return the variance of the Laplacian (each pixel's four neighbours less four times itself), border left out."""
    values = np.asarray(grey).astype(np.int16)
    if min(values.shape) < 3:
        return 0.0
    laplacian = values[:-2, 1:-1] + values[2:, 1:-1]
    for part in (values[1:-1, :-2], values[1:-1, 2:], -4 * values[1:-1, 1:-1]):
        laplacian += part
    return float(laplacian.var(dtype=np.float32))


def perceptual_hash(grey: Image.Image) -> int:
    """Return the 64 bits of ImageHash's phash as one number; it looks at 32 x 32 pixels, so 64 are enough to start."""
    return int.from_bytes(np.packbits(imagehash.phash(at_most(grey, 64)).hash).tobytes())


def _colour(image: Image.Image) -> int:
    """Look at a sample of pixels first: most images show their colour there."""
    sample = _channels_apart(image.resize((64, 64), Image.Resampling.NEAREST))
    return sample if sample > COLOURFUL else _channels_apart(image)


def _channels_apart(image: Image.Image) -> int:
    red, green, blue = image.split()
    pairs = (red, green), (green, blue), (red, blue)
    return max(ImageChops.difference(one, other).getextrema()[1] for one, other in pairs)
