"""The first layer's own filters, in a panel above its units."""

import numpy as np

from zfpipe.pictures.crops import resize
from zfpipe.pictures.mosaics import Grid, paint
from zfpipe.pictures.pages import Page, Words
from zfpipe.pictures.ranges import symmetric_scale, to_pixels

SIDE, LABEL = 0.3, 0.17  # inches: a filter, and the line above the panel
LABEL_SIZE = 6.5


class FilterPanel:
    """Filters (C, h, w, 3) float in rows, `width` pixels across; the panel ends at `bottom`."""

    def __init__(self, filters: np.ndarray, top: int, left: int, width: int, per_inch: float):
        longer = max(filters.shape[1:3])
        zoom = max(1, round(SIDE * per_inch / longer))
        cell = (zoom * filters.shape[1], zoom * filters.shape[2])
        gap = max(1, round(0.1 * cell[1]))
        most = max(1, (width + gap) // (cell[1] + gap))
        rows = -(-len(filters) // most)
        columns = -(-len(filters) // rows)  # rows of one length, as far as it goes
        self._filters, self._label_height = filters, round(LABEL * per_inch)
        self._grid = Grid(len(filters), columns, cell, (gap, gap), top + self._label_height, left)
        self.bottom = self._grid.top + self._grid.size[0]

    def paint(self, page: Page) -> None:
        """Put the panel onto a page: each filter with zero at mid-grey, scaled by its own maximum."""
        pictures = (to_pixels(each, symmetric_scale(each, quantile=1)) for each in self._filters)
        paint(page.pixels, self._grid, (resize(picture, self._grid.cell) for picture in pictures))
        middle = self._grid.top - self._label_height / 2
        name = Words(f"filters 0 to {len(self._filters) - 1}", self._grid.left, middle, LABEL_SIZE, weight="bold")
        page.words.append(name)
