"""The filters of a network's first two layers, and what can be counted of them (paper, section 4.1, figure 6)."""

import math
from dataclasses import dataclass

import numpy as np

from zfpipe.errors import UserError
from zfpipe.nets.layers import Layer, require_layers
from zfpipe.nets.models import Model
from zfpipe.nets.trace import convolution_below, first_filters, trace

FEW = 0.1  # part of the filters that are "the few"
FAINT = 0.1  # of the strongest filter's RMS: a weaker one is dominated
AT = 0.01  # relative distance from the radius that still is at it: weight decay takes off a little, step by step


@dataclass(frozen=True)
class Bank:
    """The filters (C, h, w, D) of a layer's convolution, and its stride (down, across) in its own input."""

    layer: Layer
    filters: np.ndarray
    stride: tuple[int, int]


@dataclass(frozen=True)
class Strengths:
    """RMS of the filters: `least`, `median`, `largest`; and shares of them.

    `at_radius` is the share of filters at the radius of renormalisation, None without one; `few_hold` the share of all
    filters' energy that the strongest tenth holds (a tenth, if all are equal); `dominated` the share of filters whose
    RMS is below a tenth of the strongest one's.
    """

    least: float
    median: float
    largest: float
    at_radius: float | None
    few_hold: float
    dominated: float


def banks(model: Model, path: str) -> tuple[Bank, Layer | None, Bank | None]:
    """Return the first layer's filters, in the image's channels, the second layer, and its filters.

    The second is that of the layers that the deconvnet can go down from; either may be None, its filters also where it
    is no convolution's (a sum of branches, say). Raises UserError, naming the model's `path`, if the first layer is no
    convolution of the image.
    """
    traced = trace(model.network, model.input_size, model.channels)
    first, *others = require_layers(traced, path)
    filters = first_filters(traced, first.step)
    if filters is None:
        raise UserError(
            f"{path}: its first layer, {first.name!r}, is no rectified convolution of the image (batch normalisation "
            "may stand between), so it has no filters to be looked at."
        )
    second = next((layer for layer in others if not layer.obstacle), None)
    below = second and convolution_below(traced, second.step)
    bank = None
    if below:
        weight = below.module.weight.detach().permute(0, 2, 3, 1).cpu().numpy()
        bank = Bank(second, weight, below.module.stride)
    stride = convolution_below(traced, first.step).module.stride
    return Bank(first, model.as_seen(filters), stride), second, bank


def strengths(filters: np.ndarray, radius: float = 0) -> Strengths:
    """Count the filters (C, h, w, D) of a layer; a `radius` of 0 means that they were not renormalised."""
    energy = np.square(filters.astype(np.float64)).mean((1, 2, 3))
    rms = np.sqrt(energy)
    few = np.sort(energy)[-math.ceil(FEW * len(energy)) :]
    return Strengths(
        least=float(rms.min()),
        median=float(np.median(rms)),
        largest=float(rms.max()),
        at_radius=float((np.abs(rms - radius) <= AT * radius).mean()) if radius else None,
        few_hold=float(few.sum() / energy.sum()) if energy.any() else 0.0,
        dominated=float((rms < FAINT * rms.max()).mean()),
    )
