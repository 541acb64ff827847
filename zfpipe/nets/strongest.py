"""The k strongest activations of every unit, one entry an image: an accumulator with a written tie rule.

Ties: the lower image_index first, then the first position in row-major order. An activation of 0 is no activation.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor


@dataclass
class Strongest:
    """The k best entries of C units so far: `activation` (C, K) descending, `image_index`, `row`, `col` (C, K).

    A missing entry is activation 0 and image_index, row, col -1.
    """

    activation: np.ndarray
    image_index: np.ndarray
    row: np.ndarray
    col: np.ndarray

    @classmethod
    def empty(cls, channels: int, k: int) -> "Strongest":
        missing = [np.full((channels, k), -1, dtype) for dtype in (np.int64, np.int32, np.int32)]
        return cls(np.zeros((channels, k), np.float32), *missing)

    @property
    def k(self) -> int:
        return self.activation.shape[1]

    def add(self, maps: Tensor, image_index: np.ndarray) -> None:
        """Take in the maps of some images, (B, C, H, W) or (B, C); `image_index` (B,) says which images they are of."""
        maps = maps if maps.dim() == 4 else maps[..., None, None]
        width = maps.shape[3]
        # max over a dimension returns the first of equal maxima, so the position follows the tie rule.
        strongest, position = (part.T.cpu().numpy() for part in maps.flatten(2).max(dim=2))  # (C, B)
        image_index = np.broadcast_to(image_index, strongest.shape)
        self._keep_best(strongest, image_index, position // width, position % width)

    def merge(self, other: "Strongest") -> None:
        """Take in the entries of another accumulator, of other images; the order of merging does not count."""
        self._keep_best(other.activation, other.image_index, other.row, other.col)

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
