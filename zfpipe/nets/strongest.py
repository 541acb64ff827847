"""The k strongest activations of every unit, one entry an image, and how all others are spread: an accumulator.

Ties: the lower image_index first, then the first position in row-major order. An activation of 0 is no activation.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zfpipe.files.histogram import BINS, count

UNPLACED = -2  # an entry's row while its column holds the number of its map in the batch


@dataclass
class Strongest:
    """The k best entries of C units so far: `activation` (C, K) descending, `image_index`, `row`, `col` (C, K).

    A missing entry is activation 0 and image_index, row, col -1. `histogram` (C, BINS) uint32 counts all images.
    """

    activation: np.ndarray
    image_index: np.ndarray
    row: np.ndarray
    col: np.ndarray
    histogram: np.ndarray

    @classmethod
    def empty(cls, channels: int, k: int) -> "Strongest":
        missing = [np.full((channels, k), -1, dtype) for dtype in (np.int64, np.int32, np.int32)]
        return cls(np.zeros((channels, k), np.float32), *missing, np.zeros((channels, BINS), np.uint32))

    @property
    def k(self) -> int:
        return self.activation.shape[1]

    def add(self, maps: Tensor, image_index: np.ndarray) -> None:
        """Take in the maps of some images, (B, C, H, W) or (B, C); `image_index` (B,) says which images they are of."""
        self.add_peaks(maps, maps.amax((2, 3)) if maps.dim() == 4 else maps, image_index)

    def add_peaks(self, maps: Tensor, peaks: Tensor, image_index: np.ndarray) -> None:
        """The same, where the maxima (B, C) of the maps are there already.

        Where a maximum stands is looked up for those alone that enter the k best.
        """
        strongest = peaks.T.float().cpu().numpy()  # (C, B)
        count(self.histogram, strongest)
        images = np.broadcast_to(image_index, strongest.shape)
        number = np.broadcast_to(np.arange(len(image_index), dtype=np.int32), strongest.shape)
        self._keep_best(strongest, images, np.full(strongest.shape, UNPLACED, np.int32), number)
        unplaced = self.row == UNPLACED
        if unplaced.any():
            channel, image = np.nonzero(unplaced)[0], self.col[unplaced]
            self.row[unplaced], self.col[unplaced] = _places(maps, channel, image)

    def merge(self, other: "Strongest") -> None:
        """Take in the entries of another accumulator, of other images; the order of merging does not count."""
        self._keep_best(other.activation, other.image_index, other.row, other.col)
        self.histogram += other.histogram

    def _keep_best(self, *entries: np.ndarray) -> None:
        own = (self.activation, self.image_index, self.row, self.col)
        both = [np.concatenate(pair, axis=1) for pair in zip(own, entries, strict=True)]
        activation, image_index = both[:2]
        missing = ~(activation > 0)
        order = np.lexsort((image_index, -activation, missing), axis=1)[:, : self.k]
        kept = [np.take_along_axis(part, order, 1).astype(like.dtype) for part, like in zip(both, own, strict=True)]
        gone = np.take_along_axis(missing, order, 1)
        for part, nothing in zip(kept, (0, -1, -1, -1), strict=True):
            part[gone] = nothing
        self.activation, self.image_index, self.row, self.col = kept


def _places(maps: Tensor, channel: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return row and column of the first position in row-major order where each maps[image, channel] is largest."""
    at = [torch.from_numpy(index).to(maps.device, torch.long) for index in (image, channel)]
    maps = maps if maps.dim() == 4 else maps[..., None, None]
    planes = maps.permute(0, 2, 3, 1)[at[0], :, :, at[1]]  # (E, H, W)
    position = planes.flatten(1).max(1).indices.cpu().numpy()  # of equal maxima, the first one
    return position // maps.shape[3], position % maps.shape[3]
