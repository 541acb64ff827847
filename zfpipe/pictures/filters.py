"""The first layer's own filters, in a panel above its units."""

from dataclasses import dataclass

import numpy as np

from zfpipe.pictures.crops import resize
from zfpipe.pictures.mosaics import Grid, paint
from zfpipe.pictures.pages import Page, Words
from zfpipe.pictures.ranges import symmetric_scale, to_pixels

SIDE, LABEL = 0.3, 0.17  # inches: a filter, and the line above the panel
LABEL_SIZE = 6.5


@dataclass(frozen=True)
class Filters:
    """`weights` (U, h, w, 3) float are the filters of the units numbered `units` (U,)."""

    units: np.ndarray
    weights: np.ndarray

    def name(self) -> str:
        """What the panel says over them: whose filters, in their order."""
        first, last, count = int(self.units[0]), int(self.units[-1]), len(self.units)
        if list(self.units) == list(range(first, last + 1)):
            return f"filters of units {first} to {last}" if count > 1 else f"filter of unit {first}"
        return f"filters of {count} units, {first} to {last}, in the file's order"


class FilterPanel:
    """Filters in rows, `width` pixels across; the panel ends at `bottom`."""

    def __init__(self, filters: Filters, top: int, left: int, width: int, per_inch: float):
        count, *side = filters.weights.shape[:3]
        longer = max(side)
        zoom = max(1, round(SIDE * per_inch / longer))
        cell = (zoom * side[0], zoom * side[1])
        gap = max(1, round(0.1 * cell[1]))
        most = max(1, (width + gap) // (cell[1] + gap))
        rows = -(-count // most)
        columns = -(-count // rows)  # rows of one length, as far as it goes
        self._filters, self._label_height = filters, round(LABEL * per_inch)
        self._grid = Grid(count, columns, cell, (gap, gap), top + self._label_height, left)
        self.bottom = self._grid.top + self._grid.size[0]

    def paint(self, page: Page) -> None:
        """Put the panel onto a page: each filter with zero at mid-grey, scaled by its own maximum."""
        pictures = (to_pixels(each, symmetric_scale(each, quantile=1)) for each in self._filters.weights)
        paint(page.pixels, self._grid, (resize(picture, self._grid.cell) for picture in pictures))
        middle = self._grid.top - self._label_height / 2
        page.words.append(Words(self._filters.name(), self._grid.left, middle, LABEL_SIZE, weight="bold"))
