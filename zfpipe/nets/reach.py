"""Many units of one layer projected at once, each computed only where its signal can reach (see chain.py).

Up: the receptive field's own pixels, without what a window adds to keep its grid aligned. Where a field passes the
image's border, what padding gives is put there by hand. Where a few images hold many of the entries, whole images go up
instead, once each, and what lies in the fields is cut out of their maps. Down: the signal is 1x1 at the unit and grows
with each filter. The same projection as a whole frame's, to rounding.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zfpipe.nets.chain import CONVOLVE, POOL, RECTIFIED, Link, chain_to, inside, outside, pair
from zfpipe.nets.layers import Layer
from zfpipe.nets.models import Model
from zfpipe.nets.trace import Traced
from zfpipe.nets.transposed import transposed
from zfpipe.nets.windows import Cut, Projector, cut

PIXELS_A_BATCH = 1 << 19  # bounds the memory of a batch whatever the layer; larger ones are no faster
ON_A_GPU = 1 << 22  # which small batches keep waiting for the next
MOST_A_BATCH = 1024


def projector_of(model: Model, traced: Traced, layer: Layer, collide: str) -> "Projector | ReachProjector":
    """Return what projects a layer's entries: where signals can reach alone if the network allows, else in windows."""
    links = chain_to(traced, layer.step) if collide == "add" else None
    covers = any(axis.size >= axis.image for axis in layer.field.axes)
    return Projector(model, traced, layer, collide) if links is None or covers else ReachProjector(model, layer, links)


class ReachProjector:
    """Projects entries of one layer, as `windows.Projector` does."""

    def __init__(self, model: Model, layer: Layer, links: list[Link]):
        self.model, self.layer = model, layer
        self.up, self.top = links[:-2], links[-2]
        self.ways = [transposed(link.module) if link.kind == CONVOLVE else None for link in self.up]

    @property
    def batch_size(self) -> int:
        """How many entries to give at once."""
        height, width = self._field
        pixels = PIXELS_A_BATCH if self.model.mean.device.type == "cpu" else ON_A_GPU
        return max(1, min(MOST_A_BATCH, pixels // (height * width)))

    @property
    def _field(self) -> tuple[int, int]:
        return (self.up or [self.top])[0].reach

    @torch.inference_mode()
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

        Signals begin as strong as what was `mined` (B,), or as the activations, all of which are computed again.
        """
        starts = self._starts(row, col)
        box = np.concatenate([starts[0], starts[0] + np.array(self._field)], axis=1)
        patch = np.stack([cut(images[i], 0, 0, edges) for i, edges in zip(which, box, strict=True)])
        if self._frames_pay(len(images), len(which)):
            maps, switches = self._up_frames(images, which, starts)
        else:
            maps, switches = self._up(self._pixels(patch, box), starts)
        filters = self.top.module.weight[torch.from_numpy(channel).to(maps.device)]  # (B, C, h, w)
        activation = _dilated_dot(maps, filters, self.top.module)
        if self.top.module.bias is not None:
            activation += self.top.module.bias[torch.from_numpy(channel).to(maps.device)]
        strength = activation.clamp(min=0) if mined is None else torch.from_numpy(mined).to(activation)
        signal = self._top_down(strength, filters, starts[-1])
        projection = self._down(signal, switches, starts).permute(0, 2, 3, 1)
        return Cut(
            activation=activation.clamp(min=0).cpu().numpy(),
            projection=projection.cpu().numpy(),
            patch=patch,
            box=box,
        )

    def _frames_pay(self, images: int, entries: int) -> bool:
        """Whether the frames of so many images are less to compute than the fields of so many entries."""
        return images * math.prod(self.model.input_size) < entries * math.prod(self._field)

    def _starts(self, row: np.ndarray, col: np.ndarray) -> list[np.ndarray]:
        """Return where the entries' reach starts in the map below each link of `up`, and below the top, (B, 2) each."""
        starts = [self.top.start_below(np.stack([row, col], axis=1).astype(np.int64))]
        for link in reversed(self.up):
            starts.append(link.start_below(starts[-1]))
        return starts[::-1]

    def _pixels(self, patch: np.ndarray, box: np.ndarray) -> Tensor:
        """Return the fields' pixels (B, h, w, C) uint8 as the network takes them, (B, C, h, w), 0 outside the image."""
        mean = self.model.mean
        if mean.shape[1:] != (1, 1):
            frame = mean.permute(1, 2, 0).cpu().numpy()
            parts = np.stack([cut(frame, 0, 0, edges) for edges in box])
            mean = torch.from_numpy(parts).to(mean).permute(0, 3, 1, 2)
        pixels = self.model.normalise(torch.from_numpy(patch).to(mean.device).permute(0, 3, 1, 2), mean)
        _fill_outside(pixels, box[:, :2], (self.up or [self.top])[0], 0.0)
        return pixels

    def _up(self, x: Tensor, starts: list[np.ndarray]) -> tuple[Tensor, list[Tensor]]:
        """Return the map below the top, (B, C, h, w), and the switches of each pooling, in order."""
        switches = []
        for link, start in zip(self.up, starts, strict=False):
            if link.kind == CONVOLVE:
                _fill_outside(x, start, link, 0.0)
                x = _filter(x, link.module)
            elif link.kind == POOL:
                _fill_outside(x, start, link, -torch.inf)
                pool = link.module
                x, where = F.max_pool2d(x, pool.kernel_size, pool.stride, 0, pool.dilation, return_indices=True)
                switches.append(where)
            else:
                x = link.module(x)
        _fill_outside(x, starts[-1], self.top, 0.0)
        return x, switches

    def _up_frames(
        self, images: np.ndarray, which: np.ndarray, starts: list[np.ndarray]
    ) -> tuple[Tensor, list[Tensor]]:
        """Return what `_up` returns, cut out of the maps of whole images: entry b's of image `which[b]`."""
        device = self.model.mean.device
        x = self.model.normalise(torch.from_numpy(images).to(device).permute(0, 3, 1, 2))
        entry = torch.from_numpy(which).to(device)
        switches = []
        for number, link in enumerate(self.up):
            own = link.module
            if link.kind == CONVOLVE:
                x = F.conv2d(x, own.weight, own.bias, own.stride, own.padding, own.dilation, own.groups)
            elif link.kind == POOL:
                how = own.kernel_size, own.stride, own.padding, own.dilation, own.ceil_mode
                x, where = F.max_pool2d(x, *how, return_indices=True)
                above = self.up[number + 1] if number + 1 < len(self.up) else self.top
                # A place in the frame's map becomes one in the reach: its rows are shorter, and begin elsewhere.
                where += torch.div(where, link.below[1], rounding_mode="floor") * (link.reach[1] - link.below[1])
                first = torch.from_numpy(starts[number] @ (link.reach[1], 1)).to(device)
                local = _cut_out(where, entry, starts[number + 1], above) - first[:, None, None, None]
                switches.append(local.clamp_(0, link.reach[0] * link.reach[1] - 1))  # outside there is no signal
            else:
                x = own(x)
        x = _cut_out(x, entry, starts[-1], self.top)
        _fill_outside(x, starts[-1], self.top, 0.0)
        return x, switches

    def _top_down(self, strength: Tensor, filters: Tensor, start: np.ndarray) -> Tensor:
        """Return the signal below the top: the unit's own filter, as strong as `strength` (B,)."""
        signal = filters * strength[:, None, None, None]
        rows, cols = pair(self.top.module.dilation)
        if (rows, cols) != (1, 1):
            spread = signal.new_zeros(*signal.shape[:2], *self.top.reach)
            spread[:, :, ::rows, ::cols] = signal
            signal = spread
        _fill_outside(signal, start, self.top, 0.0)
        return signal

    def _down(self, signal: Tensor, switches: list[Tensor], starts: list[np.ndarray]) -> Tensor:
        """Carry a signal below the top down to pixels."""
        for link, way, start in reversed(list(zip(self.up, self.ways, starts, strict=False))):
            if link.kind == CONVOLVE:
                signal = way(signal)
                _fill_outside(signal, start, link, 0.0)
            elif link.kind == POOL:
                signal = _unpool(signal, switches.pop(), link.reach)
            elif link.kind == RECTIFIED:
                signal = F.relu_(signal)
        return signal


def _filter(x: Tensor, own: nn.Conv2d) -> Tensor:
    return F.conv2d(x, own.weight, own.bias, own.stride, 0, own.dilation, own.groups)


def _dilated_dot(maps: Tensor, filters: Tensor, own: nn.Conv2d) -> Tensor:
    """Return (B,): each entry's maps times its own filter."""
    rows, cols = pair(own.dilation)
    return (maps[:, :, ::rows, ::cols] * filters).sum((1, 2, 3))


def _unpool(signal: Tensor, switches: Tensor, size: tuple[int, int]) -> Tensor:
    """Put each value back where its maximum was, in a map of `size`; values for one place add. Channels last."""
    images, channels = signal.shape[:2]
    place = switches.permute(0, 2, 3, 1).mul_(channels).add_(torch.arange(channels, device=signal.device))
    plane = signal.new_zeros(images, size[0] * size[1] * channels)
    plane.scatter_add_(1, place.reshape(images, -1), signal.permute(0, 2, 3, 1).reshape(images, -1))
    return plane.view(images, *size, channels).permute(0, 3, 1, 2)


def _cut_out(maps: Tensor, entry: Tensor, start: np.ndarray, link: Link) -> Tensor:
    """Return the reach of each entry in the map below `link`, (B, C, h, w), from the maps (N, C, H, W) of images.

    Entry b's image is `entry[b]`. Positions outside a map repeat its border.
    """
    rows, cols = (
        torch.from_numpy(np.clip(start[:, axis, None] + np.arange(link.reach[axis]), 0, maps.shape[2 + axis] - 1))
        for axis in (0, 1)
    )
    lines = maps.permute(0, 2, 3, 1)
    found = lines[entry[:, None, None], rows.to(maps.device)[:, :, None], cols.to(maps.device)[:, None, :]]
    return found.permute(0, 3, 1, 2)


def _fill_outside(x: Tensor, start: np.ndarray, link: Link, value: float) -> None:
    """Set the positions of `x`, the map below `link`, that lie outside it.

    On a CPU border by border, without touching the rest; on a GPU, for which that is many small tasks, all at once.
    """
    if x.device.type != "cpu":
        rows, cols = (torch.from_numpy(part).to(x.device) for part in inside(start, link))
        x.masked_fill_(~(rows[:, None, :, None] & cols[:, None, None, :]), value)
        return
    lines = x.permute(0, 2, 3, 1)
    for entry, axis, positions in outside(start, link):
        (lines[entry] if axis == 0 else lines[entry].transpose(0, 1))[positions] = value
