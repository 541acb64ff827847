"""A layer that stands at the end of a plain chain of operations, and which part of each map below one of its units
a signal can reach: 1x1, then 3x3, 5x5 and so on, down to its receptive field."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import nn

from zfpipe.nets.contrast import Contrast, hooked
from zfpipe.nets.quick import RECTIFY, folded
from zfpipe.nets.trace import Step, Traced

PASSED = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
CONVOLVE, POOL, RECTIFIED, NORMALISE = "convolve", "pool", "rectify", "normalise"


@dataclass(frozen=True)
class Link:
    """One operation of a chain, and the map below it.

    `kind` is CONVOLVE, POOL, RECTIFIED or NORMALISE; `module` carries it out; `below` is the size (H, W) of the map
    that it reads, and `reach` the part of it, (h, w) positions, that the unit at the chain's end sees.
    """

    kind: str
    module: nn.Module
    below: tuple[int, int]
    reach: tuple[int, int]

    def start_below(self, start: np.ndarray) -> np.ndarray:
        """Return where the reach starts in the map below, (B, 2), given where it starts in the map above."""
        if self.kind not in (CONVOLVE, POOL):
            return start
        return start * pair(self.module.stride) - pair(self.module.padding)


def chain_to(traced: Traced, name: str) -> list[Link] | None:
    """Return the links from the image to a rectified map, in the order of computation.

    Batch normalisation is folded into the filters below it. None where the map is not at the end of a plain chain
    that ends in a convolution and its rectification, or where an operation of it has settings that are not known here.
    """
    parts = _parts(traced, name)
    if parts is None or [kind for kind, _, _ in parts[-2:]] != [CONVOLVE, RECTIFIED] or parts[-2][1].groups != 1:
        return None
    links, reach = [], (1, 1)
    for kind, module, below in reversed(parts):
        if kind in (CONVOLVE, POOL):
            kernel, stride, dilation = (pair(getattr(module, key)) for key in ("kernel_size", "stride", "dilation"))
            reach = tuple(int(n) for n in (np.array(reach) - 1) * stride + dilation * (kernel - 1) + 1)
        links.append(Link(kind, module, below, reach))
    return links[::-1]


def pair(value: int | tuple[int, int]) -> np.ndarray:
    return np.array([value, value] if isinstance(value, int) else value)


def _parts(traced: Traced, name: str) -> list[tuple[str, nn.Module, tuple[int, int]]] | None:
    """Return kind, module and size of the map below for each step of a chain, or None."""
    parts, above, size = [], traced.input_node, traced.input_size
    for step in traced.upto([name]):
        if step.sources != (above,) or step.part is not None or step.shape is None or len(step.shape) != 3:
            return None
        if type(step.module) is nn.BatchNorm2d and parts and parts[-1][0] == CONVOLVE:
            if step.module.running_mean is None:
                return None
            parts[-1] = (CONVOLVE, folded(parts[-1][1], step.module), parts[-1][2])
        elif not isinstance(step.module, PASSED):
            kind, module = _known(step)
            if module is None:
                return None
            parts.append((kind, module, size))
        above, size = step.node, step.shape[1:]
    return parts


def _known(step: Step) -> tuple[str, nn.Module | None]:
    module = step.module
    if module is not None and hooked(module):
        return "", None
    if type(module) is nn.Conv2d and module.padding_mode == "zeros" and not isinstance(module.padding, str):
        return CONVOLVE, module
    if type(module) is nn.MaxPool2d and not module.return_indices:
        return POOL, module
    if type(module) is nn.LocalResponseNorm:
        return NORMALISE, Contrast(module)
    if step.operation in RECTIFY:
        return RECTIFIED, nn.ReLU(inplace=True)
    return "", None


def inside(start: np.ndarray, link: Link) -> list[np.ndarray]:
    """Return which rows (B, h) and which columns (B, w) of a reach lie in the map below a link, bool.

    `start` (B, 2) is where each entry's reach starts in that map.
    """
    places = (start[:, axis, None] + np.arange(link.reach[axis]) for axis in (0, 1))
    return [(place >= 0) & (place < length) for place, length in zip(places, link.below, strict=True)]


def outside(start: np.ndarray, link: Link) -> Iterator[tuple[int, int, slice]]:
    """Yield, where a reach leaves the map below a link, the entry, the axis (0: rows) and the positions beyond."""
    before = np.maximum(-start, 0)
    beyond = np.clip(np.array(link.below) - start, 0, link.reach)  # 0: all of it
    for entry, axis in np.argwhere(before > 0).tolist():
        yield entry, axis, slice(0, int(before[entry, axis]))
    for entry, axis in np.argwhere(beyond < np.array(link.reach)).tolist():
        yield entry, axis, slice(int(beyond[entry, axis]), None)
