"""How alike two projections of one patch are: as pictures, and as ranks of their pixels."""

import numpy as np
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from zfpipe.pictures.ranges import symmetric_scale

WINDOW = 7  # pixels: scikit-image's own


def structural(one: np.ndarray, other: np.ndarray) -> float:
    """Return the structural similarity (Wang et al. 2004) of two signed projections (h, w, C), -1 to 1.

    Each is scaled as figures draw it: by a high quantile of its magnitude, clipped. NaN where a side is shorter than
    three pixels, or one of them is zero everywhere.
    """
    window = min(WINDOW, *(side - 1 + side % 2 for side in one.shape[:2]))  # odd, and inside
    if window < 3 or not one.any() or not other.any():
        return float("nan")
    return float(structural_similarity(_drawn(one), _drawn(other), win_size=window, data_range=2, channel_axis=-1))


def of_ranks(one: np.ndarray, other: np.ndarray) -> float:
    """Return the rank correlation (Spearman) of the pixels of two projections; NaN if one of them is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(spearmanr(one.ravel(), other.ravel()).statistic)


def inside(projection: np.ndarray, box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cut off what of a projection (h, w, C), whose box is top, left, bottom, right, lies past an image of `size`."""
    top, left = np.maximum(0, -box[:2])
    bottom, right = np.array(projection.shape[:2]) - np.maximum(0, box[2:] - np.array(size))
    return projection[top:bottom, left:right]


def _drawn(projection: np.ndarray) -> np.ndarray:
    # From 0 to 2, as pixels are drawn around mid-grey: of signed values, opposite means and opposite structures make a
    # positive product.
    return 1 + np.clip(projection.astype(np.float64) / symmetric_scale(projection), -1, 1)
