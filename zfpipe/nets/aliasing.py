"""How much of a filter or a projection lies at frequencies that a stride cannot carry."""

import numpy as np
from scipy.linalg import toeplitz


def share_beyond(pictures: np.ndarray, stride: tuple[int, int]) -> np.ndarray:
    """Return (N,) the share of each picture's energy beyond the Nyquist frequency of a stride; NaN for one of zeros.

    `pictures` (N, h, w, C) float, surrounded by zeros; `stride` (down, across) in pixels. A frequency (in cycles a
    pixel) is beyond if it is above 1 / (2 stride) along either axis: a map that is looked at once in `stride`
    pixels shows it as another one. The spectrum is the continuous one and the integral over it is exact: the energy
    within |f| <= 1 / (2 s) of one line x is the quadratic form x' S x with S[i, j] = sinc((i - j) / s) / s. The
    channels' energies are added. With stride 1 nothing is beyond; of a single pixel, as of noise, 1 - 1 / (down
    across) is.
    """
    pictures = pictures.astype(np.float64)
    total = np.square(pictures).sum((1, 2, 3))
    rows, columns = (_within(side, step) for side, step in zip(pictures.shape[1:3], stride, strict=True))
    kept = np.einsum("nijc,ik,jl->nklc", pictures, rows, columns, optimize=True)
    within = (kept * pictures).sum((1, 2, 3))
    share = np.full(len(pictures), np.nan)
    np.divide(within, total, out=share, where=total > 0)
    return np.clip(1 - share, 0, 1)


def _within(side: int, stride: int) -> np.ndarray:
    return toeplitz(np.sinc(np.arange(side) / stride) / stride)
