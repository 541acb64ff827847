"""Feature vectors of images: what a layer passes on to the next one, as one row of numbers an image (paper, 4.3)."""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from zfpipe.data.batches import Images
from zfpipe.data.transforms import centre_crop
from zfpipe.errors import UserError
from zfpipe.nets.layers import Layer
from zfpipe.nets.models import Model
from zfpipe.nets.trace import Step, Traced
from zfpipe.progress import progress

# What belongs to the layer below it: its pooling and contrast normalisation (paper, figure 3), and what does nothing.
PASSED_ON = (
    *(nn.MaxPool2d, functional.max_pool2d, torch.max_pool2d, nn.AvgPool2d, functional.avg_pool2d),
    *(nn.AdaptiveAvgPool2d, functional.adaptive_avg_pool2d, nn.AdaptiveMaxPool2d, functional.adaptive_max_pool2d),
    *(nn.LocalResponseNorm, nn.Identity, nn.Dropout),
)


def top_of(traced: Traced, layer: Layer) -> Step:
    """Return the last step of a layer: after its rectification, the poolings and normalisations that follow it alone.

    A map that several steps read (a sum's, a concatenation's) has no top but itself.
    """
    step = traced.find(layer.step)
    while True:
        users = [other for other in traced.steps if step.node in other.node.all_input_nodes]
        if len(users) != 1 or users[0].operation not in PASSED_ON or users[0].shape is None:
            return step
        step = users[0]


def grid_of(shape: tuple[int, ...], most: int | None) -> tuple[int, int] | None:
    """Return rows and columns of the finest grid of cells with at most `most` features in all; None: as it is.

    `shape` is a map's (C, h, w), or a vector's (C,). Where h by w is too many, both are made coarser alike.
    """
    if most is None or math.prod(shape) <= most or len(shape) != 3:
        return None
    finer = math.sqrt(most / math.prod(shape))
    return tuple(max(1, math.floor(side * finer)) for side in shape[1:])


class Features:
    """Reads off one layer of a network: `count` features an image, in a grid of `cells` (None: all positions).

    A map of more than `most` features is averaged over cells of a grid.
    Raises UserError where one cell alone has more.
    """

    def __init__(self, model: Model, traced: Traced, layer: Layer, most: int | None):
        self.model, self.traced, self.layer = model, traced, layer
        self.step = top_of(traced, layer)
        self.cells = grid_of(self.step.shape, most)
        shape = self.step.shape if self.cells is None else (self.step.shape[0], *self.cells)
        self.count = math.prod(shape)
        if most is not None and self.count > most:
            raise UserError(
                f"Layer {layer.name!r} has {self.count} features in a single cell and probe.features allows {most}; "
                f"set it to {self.count} or more, or name other layers."
            )

    @torch.inference_mode()
    def of(self, images: Images, batch_size: int, what: str) -> np.ndarray:
        """Return the features of the centre crops of packed images, (N, count) float32.

        Raises UserError if they are not finite.
        """
        found = np.empty((len(images), self.count), np.float32)
        for start in progress(range(0, len(images), batch_size), what, "images", len(images), batch_size):
            found[start : start + batch_size] = self._batch(images.read(start, start + batch_size)).cpu().numpy()
        if not np.isfinite(found).all():
            raise UserError(f"The activations of layer {self.layer.name!r} are not finite; the training has diverged.")
        return found

    def _batch(self, images: np.ndarray) -> Tensor:
        pixels = torch.from_numpy(images).to(self.model.mean.device).permute(0, 3, 1, 2)
        inputs = self.model.normalise(centre_crop(pixels, self.model.input_size))
        ((_, maps),) = self.traced.maps(inputs, [self.step.name])
        return (maps if self.cells is None else functional.adaptive_avg_pool2d(maps, self.cells)).flatten(1)
