"""Receptive fields, and the windows in which a unit can be run alone. Pixels of the network's input throughout."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Axis:
    """One axis of a receptive field: position u of a map sees pixels start + u jump ... start + u jump + size - 1.

    `image` is the input's length on that axis. The field may reach past the image.
    """

    size: int
    jump: int
    start: int
    image: int

    @property
    def window(self) -> int:
        """Side of the window: the least that holds any unit's field and keeps every grid aligned; at most the image.

        The image less the window is a multiple of the jump, so that a window at the far border is on the grid too.
        """
        least = self.size + self.jump - 1
        return min(self.image, least + (self.image - least) % self.jump)

    def window_start(self, position: np.ndarray) -> np.ndarray:
        """Return where the window of the units at `position` starts, a multiple of the jump."""
        left = np.maximum(0, self.start + np.asarray(position) * self.jump)
        return np.clip(left // self.jump * self.jump, 0, self.image - self.window)

    def in_window(self, position: np.ndarray) -> np.ndarray:
        """Return the units' positions in their own window's map."""
        return np.asarray(position) - self.window_start(position) // self.jump

    @property
    def box_size(self) -> int:
        """Length of what is cut out for a reconstruction: the field, or the image where the field is no smaller."""
        return min(self.size, self.image)

    def box_start(self, position: np.ndarray) -> np.ndarray:
        """Return where that cut starts; it may lie before 0."""
        position = np.asarray(position)
        return np.zeros_like(position) if self.size >= self.image else self.start + position * self.jump


@dataclass(frozen=True)
class Field:
    """The receptive field of a layer, by axis."""

    rows: Axis
    cols: Axis

    @property
    def axes(self) -> tuple[Axis, Axis]:
        return self.rows, self.cols


def whole(image: int) -> Axis:
    """The field of what sees the whole image."""
    return Axis(image, image, 0, image)


def span(axes: list[Axis]) -> Axis:
    """The field of a step with several inputs: the span of theirs."""
    first = axes[0]
    if any(axis.jump != first.jump for axis in axes):
        return whole(first.image)
    start = min(axis.start for axis in axes)
    end = max(axis.start + axis.size for axis in axes)
    return Axis(end - start, first.jump, start, first.image)
