"""Signed projections to pixels: zero is mid-grey, the scale is symmetric, nothing moves zero off grey."""

import numpy as np

from zfpipe.errors import require_one_of

GREY = 128  # what zero becomes, in all three colours
REACH = 127  # the scale's end becomes GREY + REACH = 255, its opposite GREY - REACH = 1
QUANTILE = 0.995
SCALES = ("patch", "unit")


def symmetric_scale(projections: np.ndarray, inside: np.ndarray | None = None, quantile: float = QUANTILE) -> float:
    """Return the magnitude that is drawn at full strength: a high quantile of |projection|.

    `projections` (..., 3); `inside` (...) bool leaves out pixels past the image's border, which are 0 by
    construction and would pull the quantile down. A quantile, since scaled by the maximum the upper layers
    come out plain grey. Where the quantile is 0 (a projection that is almost all zeros) the maximum is taken;
    0 means that nothing but zeros is there.
    """
    magnitude = np.abs(projections)
    if inside is not None and not inside.all():
        magnitude = magnitude * inside[..., None]  # then those left out come first in order of size
    count = magnitude.size if inside is None else int(inside.sum()) * projections.shape[-1]
    if count == 0:
        return 0.0
    place = magnitude.size - count + quantile * (count - 1)
    return float(_at(magnitude.ravel(), place)) or float(magnitude.max())


def to_pixels(projection: np.ndarray, scale: float) -> np.ndarray:
    """Return uint8 of the same shape: 0 becomes GREY, +-scale the ends, what lies beyond is clipped.

    A scale of 0 (an all-zero projection) gives plain grey.
    """
    if scale == 0:
        return np.full(projection.shape, GREY, np.uint8)
    strength = np.clip(projection / scale, -1, 1)
    return (GREY + np.rint(REACH * strength)).astype(np.uint8)


def unit_pixels(
    projections: np.ndarray, inside: np.ndarray, by: str = "patch", quantile: float = QUANTILE
) -> np.ndarray:
    """Return the projections of one unit, (K, h, w, 3) float, as uint8 of the same shape.

    `inside` (K, h, w) bool says which pixels lie in the image. The scale is each `patch`'s own, or one for
    the whole `unit`, which keeps their strengths comparable. Raises UserError for another word.
    """
    require_one_of("scale", by, SCALES)
    if by == "unit":
        return to_pixels(projections, symmetric_scale(projections, inside, quantile))
    scales = [symmetric_scale(*each, quantile) for each in zip(projections, inside, strict=True)]
    return np.stack([to_pixels(*each) for each in zip(projections, scales, strict=True)])


def say_scale(by: str, quantile: float, what: str = "reconstruction") -> str:
    """Return the sentence that states the scale in a figure's small print."""
    whose = {"patch": f"each {what}", "unit": "each unit"}[by]
    strength = "maximum" if quantile >= 1 else f"{100 * quantile:.4g} % quantile"
    return f"Zero is mid-grey; {whose} is scaled by its own {strength} of |projection| and clipped there."


def _at(values: np.ndarray, place: float) -> float:
    """Return what stands at a place in the order of values (N,), between two of them in proportion.

    numpy's quantile is this too, and takes seven times as long.
    """
    low = int(place)
    parted = np.partition(values, low)
    above = parted[low + 1 :].min(initial=parted[low:].max())
    return parted[low] + (above - parted[low]) * (place - low)
