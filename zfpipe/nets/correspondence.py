"""Whether a network relates the same parts of different images: how alike its features change (paper, table 1)."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from zfpipe.errors import UserError
from zfpipe.nets.layers import Layer, named, require_layers
from zfpipe.nets.layers import layers as all_layers
from zfpipe.nets.models import Model
from zfpipe.nets.trace import Traced

GREY = 128  # of the mask; the paper does not say
ROUNDING = 1e-5  # of a layer's largest activation: a smaller change is float32's and counts as none


def papers_layers(traced: Traced, names: Sequence[str] | None, path: str) -> list[Layer]:
    """Return the named layers, or the paper's 5 and 7: the last rectified convolution and the last dense one.

    Either is left out where a network has none. Raises UserError for a name that is no layer, or a network without any.
    """
    if names:
        return named(all_layers(traced), names)
    ranks = {1: None, 3: None}
    for layer in require_layers(traced, path):
        ranks[len(traced.find(layer.step).shape)] = layer
    found = [layer for layer in (ranks[3], ranks[1]) if layer]
    if not found:
        raise UserError(f"{path} has no layer of feature maps and no dense one; name layers to compare.")
    return found


def masked(image: np.ndarray, boxes: Sequence[Sequence[int]]) -> np.ndarray:
    """Return (N, H, W, C) uint8: an image (H, W, C), each time with one of N boxes (top, left, bottom, right) grey."""
    pictures = np.repeat(image[None], len(boxes), axis=0)
    for picture, (top, left, bottom, right) in zip(pictures, boxes, strict=True):
        picture[top:bottom, left:right] = GREY
    return pictures


class Signs:
    """Signs of what masks change in the feature vectors (whole maps, flattened) of some layers."""

    def __init__(self, model: Model, traced: Traced, layers: Sequence[Layer], batch_size: int = 64):
        self._model, self._traced, self._layers, self._batch = model, traced, layers, batch_size

    @torch.inference_mode()
    def __call__(self, image: np.ndarray, boxes: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Return, for each layer, (N, F) int8: the sign of the image's features less those with each box masked."""
        pictures = np.concatenate([image[None], masked(image, boxes)])
        parts = [self._maps(pictures[start : start + self._batch]) for start in range(0, len(pictures), self._batch)]
        found = []
        for pieces in zip(*parts, strict=True):
            features = torch.cat(pieces)
            found.append(signs(features[:1] - features[1:], float(features[0].abs().max())))
        return found

    def _maps(self, pictures: np.ndarray) -> list[Tensor]:
        pixels = torch.from_numpy(pictures).to(self._model.mean.device).permute(0, 3, 1, 2)
        steps = [layer.step for layer in self._layers]
        maps = dict(self._traced.maps(self._model.normalise(pixels), steps))
        return [maps[step].flatten(1).cpu() for step in steps]


def signs(change: Tensor, largest: float) -> np.ndarray:
    """Return -1, 0 or 1 (int8) for each change; 0 where it is but rounding beside the `largest` activation."""
    return torch.where(change.abs() <= ROUNDING * largest, 0, change.sign()).to(torch.int8).numpy()


def hamming(signs_of_images: np.ndarray) -> np.ndarray:
    """Return (pairs,) the share of places where the signs (N, F) of two images differ; 0 differs from 1 and from -1."""
    pairs = combinations(range(len(signs_of_images)), 2)
    return np.array([np.mean(signs_of_images[i] != signs_of_images[j]) for i, j in pairs])
