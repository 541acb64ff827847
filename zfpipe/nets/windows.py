"""Many units projected at once, each from the window that holds its receptive field alone."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zfpipe.nets import deconvnet
from zfpipe.nets.axis import Axis
from zfpipe.nets.layers import Layer
from zfpipe.nets.models import Model
from zfpipe.nets.trace import Traced

PIXELS_A_BATCH = 1 << 20  # bounds the memory of a batch whatever the layer; larger ones are no faster
MOST_A_BATCH = 256


@dataclass(frozen=True)
class Cut:
    """What B entries gave: `activation` (B,), NaN where it was not computed again, `projection` (B, h, w, 3) float32,
    `patch` (B, h, w, 3) uint8, `box` (B, 4) int: top, left, bottom, right in pixels of the input. Outside the image
    both are 0."""

    activation: np.ndarray
    projection: np.ndarray
    patch: np.ndarray
    box: np.ndarray


class Projector:
    """Projects entries of one layer: a unit's activation at a position in an image, carried back to pixels.

    Windows of one layer have one size, so entries of any place, at the border too, make uniform batches.
    """

    def __init__(self, model: Model, traced: Traced, layer: Layer, collide: str = "add"):
        self.model, self.layer, self.collide = model, layer, collide
        self.traced, self.window = traced, tuple(axis.window for axis in layer.field.axes)

    @property
    def batch_size(self) -> int:
        """How many entries to give at once."""
        return max(1, min(MOST_A_BATCH, PIXELS_A_BATCH // (self.window[0] * self.window[1])))

    def __call__(
        self,
        images: np.ndarray,
        which: np.ndarray,
        channel: np.ndarray,
        row: np.ndarray,
        col: np.ndarray,
        mined: np.ndarray | None = None,
    ) -> Cut:
        """Project B entries: of image `which[b]` of `images` (N, H, W, 3) uint8, unit `channel[b]` at row, col.

        Signals begin as strong as what was `mined` (B,), and the first entry's activation alone is computed again; or
        as the activations, all of which are computed then.
        """
        starts = [axis.window_start(place) for axis, place in self._axes(row, col)]
        local = [torch.from_numpy(axis.in_window(place)) for axis, place in self._axes(row, col)]
        device = self.model.mean.device
        frames = self.model.normalise(torch.from_numpy(images).to(device).permute(0, 3, 1, 2))
        height, width = self.window
        windows = torch.stack(
            [frames[i, :, top : top + height, left : left + width] for i, top, left in zip(which, *starts, strict=True)]
        )
        maps, project = deconvnet.forward(self.traced, windows, self.layer.step, self.collide, whole=mined is None)
        at = [index.to(device) for index in (torch.from_numpy(channel), *local)]
        own = deconvnet.seed(maps, *(index[: len(maps)] for index in at))
        signal = own if mined is None else deconvnet.point(maps, torch.from_numpy(mined).to(maps), *at)
        found = torch.full((len(signal),), torch.nan, dtype=own.dtype)
        found[: len(own)] = _peaks(own).cpu()
        projection = project(signal).permute(0, 2, 3, 1).cpu().numpy()  # (B, S, S, 3)
        box = self.boxes(row, col)
        corner = np.stack(starts, axis=1)
        return Cut(
            activation=found.numpy(),
            projection=np.stack(
                [cut(one, *start, edges) for one, start, edges in zip(projection, corner, box, strict=True)]
            ),
            patch=np.stack([cut(images[i], 0, 0, edges) for i, edges in zip(which, box, strict=True)]),
            box=box,
        )

    def boxes(self, row: np.ndarray, col: np.ndarray) -> np.ndarray:
        """Return (B, 4): top, left, bottom, right of each entry's cut."""
        corners = [axis.box_start(place) for axis, place in self._axes(row, col)]
        ends = [start + axis.box_size for start, axis in zip(corners, self.layer.field.axes, strict=True)]
        return np.stack([*corners, *ends], axis=1)

    def _axes(self, row: np.ndarray, col: np.ndarray) -> list[tuple[Axis, np.ndarray]]:
        return list(zip(self.layer.field.axes, (row, col), strict=True))


def cut(pixels: np.ndarray, top: int, left: int, box: np.ndarray) -> np.ndarray:
    """Cut a box out of `pixels` (H, W, 3), whose own corner stands at (top, left) of the image; 0 where none are."""
    out = np.zeros((box[2] - box[0], box[3] - box[1], pixels.shape[2]), pixels.dtype)
    first = np.maximum(box[:2], (top, left))
    last = np.maximum(first, np.minimum(box[2:], (top + pixels.shape[0], left + pixels.shape[1])))
    inside = pixels[first[0] - top : last[0] - top, first[1] - left : last[1] - left]
    out[first[0] - box[0] : last[0] - box[0], first[1] - box[1] : last[1] - box[1]] = inside
    return out


def _peaks(signal: Tensor) -> Tensor:
    """The one activation that each seed (B, C, ...) kept."""
    return signal.flatten(1).amax(dim=1)
