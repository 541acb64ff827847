"""A grey square slides over an image: what becomes of one feature map and of the classes (paper, section 4.2)."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from zfpipe.errors import UserError
from zfpipe.nets.answers import Answers
from zfpipe.nets.layers import Layer
from zfpipe.nets.models import Model
from zfpipe.nets.trace import Traced


@dataclass(frozen=True)
class Occluded:
    """What R x C places of the square gave.

    `top` (R,) and `left` (C,) are the square's corners in pixels of the input, `square` its side. `activation` (R, C)
    float32 is the sum over the feature map of `unit`, `probability` (R, C) that of output `label`, `likeliest` (R, C)
    the number of the most probable output. `unoccluded` holds the three for the image as it is.
    """

    top: np.ndarray
    left: np.ndarray
    square: int
    unit: int
    label: int
    activation: np.ndarray
    probability: np.ndarray
    likeliest: np.ndarray
    unoccluded: tuple[float, float, int]


def places(length: int, square: int, stride: int) -> np.ndarray:
    """Return where a square starts along an axis: every `stride` pixels, and a last time at the far border."""
    starts = list(range(0, length - square + 1, stride))
    if starts[-1] != length - square:
        starts.append(length - square)
    return np.array(starts)


def occlude(
    model: Model,
    traced: Traced,
    layer: Layer,
    image: np.ndarray,
    square: int,
    stride: int,
    label: int | None = None,
    fill: int = 128,
    batch_size: int = 64,
) -> Occluded:
    """Slide a square of side `square` px, every `stride` px, over an image (H, W, C) uint8; it is `fill` inside.

    The feature map is the one with the largest activation of the layer in the unoccluded image (the paper: the
    strongest); `label` is the output whose probability is recorded, or None: the most probable of the unoccluded image.
    The square lies inside the image everywhere. The paper states neither its side nor its stride.
    Raises UserError for a square that does not fit, and for an image that excites nothing in the layer.
    """
    height, width = image.shape[:2]
    if not 1 <= square <= min(height, width) or stride < 1:
        raise UserError(
            f"occlude.square is {square} and occlude.stride {stride}; the square has to fit into {height}x{width} "
            "pixels, and the stride is at least 1."
        )
    answers = Answers(model, traced, [layer])
    (maps,), outputs = answers(image[None])
    unit = int(maps[0].flatten(1).amax(1).argmax())
    if not maps[0, unit].any():
        raise UserError(f"The image excites no unit of {layer.name}; there is no strongest feature map to follow.")
    label = int(outputs[0].argmax()) if label is None else label
    top, left = places(height, square, stride), places(width, square, stride)
    corners = [(row, column) for row in top for column in left]
    found = []
    for first in range(0, len(corners), batch_size):
        (moved,), changed = answers(_covered(image, corners[first : first + batch_size], square, fill))
        found.append(_read(moved, changed, unit, label))
    activation, probability, likeliest = (
        np.concatenate(part).reshape(len(top), len(left)) for part in zip(*found, strict=True)
    )
    before = tuple(part[0].item() for part in _read(maps, outputs, unit, label))
    return Occluded(top, left, square, unit, label, activation, probability, likeliest, before)


def _covered(image: np.ndarray, corners: list[tuple[int, int]], square: int, fill: int) -> np.ndarray:
    covered = np.repeat(image[None], len(corners), axis=0)
    for picture, (top, left) in zip(covered, corners, strict=True):
        picture[top : top + square, left : left + square] = fill
    return covered


def _read(maps: Tensor, outputs: Tensor, unit: int, label: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    total = maps[:, unit].flatten(1).sum(1)
    return total.cpu().numpy(), outputs[:, label].cpu().numpy(), outputs.argmax(1).cpu().numpy()
