"""Cutting boxes out of images, and fitting a crop to a tile of the page."""

import functools
from collections.abc import Sequence

import numpy as np
from PIL import Image

from zfpipe.files.reconstruction import inside_image

__all__ = ["HATCHED", "crop", "fit_tile", "hatch", "inside_image", "past_border"]

HATCHED = "Hatched: past the border of the image."
PAPER, HATCH = 255, 178  # background and lines of the mark for 'past the border of the image'


def crop(image: np.ndarray, box: Sequence[int]) -> np.ndarray:
    """Return the box (top, left, bottom, right) of an image (H, W, ...), 0 where it reaches past the border."""
    top, left, bottom, right = (int(edge) for edge in box)
    cut = np.zeros((bottom - top, right - left, *image.shape[2:]), image.dtype)
    rows, columns = _inside_span(top, bottom, image.shape[0]), _inside_span(left, right, image.shape[1])
    cut[rows, columns] = image[_shift(rows, top), _shift(columns, left)]
    return cut


def fit_tile(pixels: np.ndarray, size: tuple[int, int], box: Sequence[int], input_size: tuple[int, int]) -> np.ndarray:
    """Return a crop (h, w, 3) uint8 as a tile of `size` (th, tw), hatched where the box leaves the image.

    Enlarged by nearest neighbour, so that each pixel of the input stays a square; made smaller with a filter.
    Only pixels of the image are resized: the padding never bleeds into them.
    """
    top, left, bottom, right = (int(edge) for edge in box)
    rows, columns = _inside_span(top, bottom, input_size[0]), _inside_span(left, right, input_size[1])
    if (rows.stop - rows.start, columns.stop - columns.start) == pixels.shape[:2]:
        return resize(pixels, size)
    tile = hatch(size).copy()
    target = _scaled(rows, pixels.shape[0], size[0]), _scaled(columns, pixels.shape[1], size[1])
    tile[target] = resize(pixels[rows, columns], tile[target].shape[:2])
    return tile


def resize(pixels: np.ndarray, size: tuple[int, int], smooth: bool = False) -> np.ndarray:
    """Return (h, w, 3) uint8 at `size`: larger by nearest neighbour (unless `smooth`), smaller by a filter."""
    if pixels.shape[:2] == size or 0 in size or 0 in pixels.shape:
        return np.broadcast_to(pixels, (*size, 3)) if 0 not in size else np.zeros((*size, 3), np.uint8)
    enlarged = size[0] >= pixels.shape[0] and size[1] >= pixels.shape[1]
    way = Image.Resampling.NEAREST if enlarged and not smooth else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize((size[1], size[0]), way))


def past_border(boxes: np.ndarray, input_size: tuple[int, int]) -> bool:
    """Whether any of the boxes (..., 4) reaches past the border of an image of `input_size`, and so is hatched."""
    return bool((boxes[..., :2] < 0).any() or (boxes[..., 2:] > input_size).any())


@functools.cache
def hatch(size: tuple[int, int]) -> np.ndarray:
    """Return (h, w, 3) uint8 of thin grey diagonals on white: the mark for what lies past the border."""
    spacing = max(4, round(max(size) / 11))
    diagonal = np.add.outer(np.arange(size[0]), np.arange(size[1])) % spacing
    lines = diagonal < max(1, round(spacing / 7))
    return np.repeat(np.where(lines, HATCH, PAPER).astype(np.uint8)[:, :, None], 3, axis=2)


def _inside_span(first: int, last: int, side: int) -> slice:
    """The part of [first, last) that lies in [0, side), counted from `first`."""
    start = min(max(-first, 0), last - first)
    return slice(start, max(start, min(last, side) - first))


def _shift(span: slice, by: int) -> slice:
    return slice(span.start + by, span.stop + by)


def _scaled(span: slice, from_side: int, to_side: int) -> slice:
    return slice(round(span.start * to_side / from_side), round(span.stop * to_side / from_side))
