"""The k strongest activations of every unit, one entry an image, and how all others are spread: an accumulator.

Ties: the lower image_index first, then the first position in row-major order. An activation of 0 is no activation.
All of it stays on the device that the maps are on, so that no batch waits for another's ranking.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from zfpipe.files.histogram import BINS, bins_of_bits

LOWER = (1 << 32) - 1  # the lower half of an int64; as an image_index, the last possible one


@dataclass
class Strongest:
    """The k best entries of C units so far: `activation` (C, K) descending, `image_index`, `row`, `col` (C, K).

    A missing entry is activation 0 and image_index, row, col -1. `histogram` (C, BINS) uint32 counts all images.

    Within, an entry is one int64: the bits of its float32 activation, which are in the order of positive numbers, and
    below them how far its image_index is from the last possible one. So the larger of two keys is the stronger
    activation or, of equal ones, that of the lower image_index; a missing entry is 0.
    """

    keys: Tensor  # (C, K) int64
    places: Tensor  # (C, K) int64: row and, below it, column
    counts: Tensor  # (C, BINS) int32

    @classmethod
    def empty(cls, channels: int, k: int, device: torch.device | str = "cpu") -> "Strongest":
        keys, places = (torch.zeros((channels, k), dtype=torch.int64, device=device) for _ in range(2))
        return cls(keys, places, torch.zeros((channels, BINS), dtype=torch.int32, device=device))

    @property
    def activation(self) -> np.ndarray:
        return (self.keys >> 32).int().view(torch.float32).cpu().numpy()

    @property
    def image_index(self) -> np.ndarray:
        return self._present(LOWER - (self.keys & LOWER), np.int64)

    @property
    def row(self) -> np.ndarray:
        return self._present(self.places >> 32, np.int32)

    @property
    def col(self) -> np.ndarray:
        return self._present(self.places & LOWER, np.int32)

    @property
    def histogram(self) -> np.ndarray:
        return self.counts.cpu().numpy().astype(np.uint32)

    def _present(self, values: Tensor, kind: type) -> np.ndarray:
        return torch.where(self.keys > 0, values, -1).cpu().numpy().astype(kind)

    def add(self, maps: Tensor, image_index: np.ndarray) -> Tensor:
        """Take in the maps of some images, (B, C, H, W) or (B, C); `image_index` (B,) says which images they are of.

        Returns their maxima (B, C), which may be of any sign and need not be finite.
        """
        peaks, position = peaks_of(maps, at_once=maps.device.type == "cpu")
        bits = peaks.float().T.contiguous().view(torch.int32)
        self.counts.scatter_add_(1, bins_of_bits(bits).long(), torch.ones_like(bits))
        units = self._entered_by(peaks)
        images = torch.from_numpy(image_index).to(bits.device)
        self._keep_best(units, _keys(bits[units], images), _places(position.T[units], maps.shape[-1]))
        return peaks

    def _entered_by(self, peaks: Tensor) -> Tensor | slice:
        """The units that may have a new entry, with the maxima (B, C) of some images: late in a set of images, few.

        On a GPU all of them: to ask which would wait for everything that is under way there.
        """
        if peaks.device.type != "cpu":
            return slice(None)
        weakest = (self.keys[:, -1] >> 32).int().view(torch.float32)
        return (peaks.float().amax(0) >= weakest).nonzero()[:, 0]

    def merge(self, other) -> None:
        """Take in the entries of another accumulator, or layer of a top-k file, of other images; in any order."""
        numbers = (other.image_index, other.row.astype(np.int64), other.col.astype(np.int64))
        images, rows, cols = (torch.from_numpy(part).to(self.keys.device) for part in numbers)
        bits = torch.from_numpy(np.ascontiguousarray(other.activation)).view(torch.int32).to(self.keys.device)
        self._keep_best(slice(None), _keys(bits, images), (rows << 32) + cols)
        self.counts += torch.from_numpy(other.histogram.astype(np.int32)).to(self.counts.device)

    def _keep_best(self, units: Tensor | slice, keys: Tensor, places: Tensor) -> None:
        """Take in the entries (U, N) of some units."""
        self.keys[units], order = torch.cat([self.keys[units], keys], 1).topk(self.keys.shape[1])
        self.places[units] = torch.cat([self.places[units], places], 1).gather(1, order)


def peaks_of(maps: Tensor, at_once: bool) -> tuple[Tensor, Tensor]:
    """Return the maximum (B, C) of each map (B, C, H, W), and its position (B, C) int64: the first in row-major order.

    By max-pooling, whose kernels are fast in this layout: of the map at once or, since on a GPU one thread goes over a
    window, of its rows and then of what came of them. Maps (B, C) have one position.
    """
    if maps.dim() == 2:
        return maps, torch.zeros_like(maps, dtype=torch.int64)
    height, width = maps.shape[2:]
    if at_once:
        peaks, position = F.max_pool2d(maps, (height, width), return_indices=True)
    else:
        of_rows, positions = F.max_pool2d(maps, (1, width), return_indices=True)
        peaks, row = F.max_pool2d(of_rows, (height, 1), return_indices=True)
        position = positions.flatten(2).gather(2, row.flatten(2))
    return peaks.flatten(1), position.flatten(1)


def _places(position: Tensor, width: int) -> Tensor:
    """Return positions in row-major order as places: the row above the lower 32 bits, and the column in them."""
    row = position.div(width, rounding_mode="floor")
    return (row << 32) + position - row * width


def _keys(bits: Tensor, images: Tensor) -> Tensor:
    """Return the keys of entries: the bits (C, N) of activations, and their image_index, (N,) or (C, N)."""
    return torch.where(bits > 0, (bits.long() << 32) + (LOWER - images), 0)
