"""First-layer filters of several runs, a row each, with projections of the second layer beside (paper, figure 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zfpipe.pictures.crops import HATCHED, fit_tile, past_border, resize
from zfpipe.pictures.mosaics import Grid, blank_page, columns_for, paint
from zfpipe.pictures.pages import Page, Words, wrap
from zfpipe.pictures.ranges import symmetric_scale, to_pixels
from zfpipe.pictures.saving import save_page

# Inches on the page, and points of type.
PANEL, BETWEEN, MARGIN, ROW_GAP = 4.9, 0.3, 0.22, 0.22
LARGEST = {"filters": 0.42, "projections": 0.78}  # a cell
LINE, TITLE_SIZE, TEXT_SIZE, NOTE_SIZE = 0.165, 9, 7, 6
NOTES_OF_FILTERS = (
    "Zero is mid-grey. The filters of a run are drawn at one scale, their largest weight, so that strong ones stand "
    "out against weak ones."
)
NOTES = f"{NOTES_OF_FILTERS[:-1]}; each projection is drawn at its own."
WORDS = (
    "Dominated: filters with less than a tenth of the strongest one's RMS. Aliased: the share of the energy, median "
    "over filters or projections, at frequencies that the first layer's stride takes for others; beside it that of "
    "noise."
)


@dataclass(frozen=True)
class Projection:
    """A crop (h, w, 3) uint8 around mid-grey, and its box in an image of `input_size` pixels."""

    pixels: np.ndarray
    box: np.ndarray
    input_size: tuple[int, int]


@dataclass(frozen=True)
class FilterRow:
    """A run: its `name`, what is said of its `filters` (N, h, w, 3) float, and of its second layer's pictures.

    `projections` are of one size.
    """

    name: str
    filters: np.ndarray
    of_filters: str
    projections: Sequence[Projection]
    of_projections: str


def draw_filter_rows(path: str | Path, rows: Sequence[FilterRow], dpi: int = 150) -> None:
    """Draw the rows into a PNG; the same rows give the same bytes.

    Where no run has projections, there is no column for them, and what is said of them stands with the filters.
    """
    panels = 2 if any(len(row.projections) for row in rows) else 1
    placed = [_Row(row, panels, dpi) for row in rows]
    wide = panels * (PANEL + BETWEEN) - BETWEEN
    said = NOTES if panels == 2 else NOTES_OF_FILTERS
    said += f" {WORDS}"
    if any(past_border(each.box, each.input_size) for row in rows for each in row.projections):
        said += f" {HATCHED}"
    notes = wrap(said, wide, NOTE_SIZE)
    height = sum(row.height for row in placed) + round((MARGIN + 0.5 * MARGIN + LINE * len(notes)) * dpi)
    width = round((wide + 2 * MARGIN) * dpi)
    page = Page(blank_page(height, width), dpi)
    top = round(MARGIN * dpi)
    for row in placed:
        row.paint(page, top)
        top += row.height
    for number, line in enumerate(notes):
        page.words.append(Words(line, MARGIN * dpi, top + (number + 0.5) * LINE * dpi, NOTE_SIZE, colour="#666666"))
    save_page(path, page, "png")


class _Row:
    """Where a run's two panels, or its one, stand, from the row's top."""

    def __init__(self, row: FilterRow, panels: int, dpi: int):
        self._row, self._dpi = row, dpi
        scale = symmetric_scale(row.filters, quantile=1)
        filters = to_pixels(row.filters, scale)
        halves = [
            (row.of_filters, filters, "filters"),
            (row.of_projections, [each.pixels for each in row.projections], ""),
        ]
        if panels == 1:
            halves = [(f"{row.of_filters}\n{row.of_projections}", filters, "filters")]
        self._lines = [wrap(words, PANEL, TEXT_SIZE) for words, _, _ in halves]
        self._text = round(LINE * (1.25 + max(map(len, self._lines))) * dpi)
        self._pictures = [pictures for _, pictures, _ in halves]
        self._grids = [
            self._grid(pictures, LARGEST[kind or "projections"], side)
            for side, (_, pictures, kind) in enumerate(halves)
        ]
        self.height = self._text + max(grid.size[0] for grid in self._grids if grid) + round(ROW_GAP * dpi)

    def _grid(self, pictures: Sequence[np.ndarray], largest: float, side: int) -> Grid | None:
        if len(pictures) == 0:
            return None
        down, across = pictures[0].shape[:2]
        columns = columns_for(len(pictures), across / down, wanted=2.4)
        room = min(largest, PANEL / (1.12 * columns)) * self._dpi
        zoom = room / max(down, across)
        zoom = int(zoom) if zoom >= 2 else zoom  # whole pixels of a filter where that costs little room
        cell = (max(1, round(zoom * down)), max(1, round(zoom * across)))
        gap = max(1, round(0.1 * max(cell)))
        left = round((MARGIN + side * (PANEL + BETWEEN)) * self._dpi)
        return Grid(len(pictures), columns, cell, (gap, gap), 0, left)

    def paint(self, page: Page, top: int) -> None:
        for side, (grid, pictures, lines) in enumerate(zip(self._grids, self._pictures, self._lines, strict=True)):
            left = round((MARGIN + side * (PANEL + BETWEEN)) * self._dpi)
            step = LINE * self._dpi
            if side == 0:
                page.words.append(Words(self._row.name, left, top + step / 2, TITLE_SIZE, weight="bold"))
            for number, line in enumerate(lines):
                page.words.append(Words(line, left, top + (number + 1.5) * step, TEXT_SIZE))
            if grid:
                area = page.pixels[top + self._text :]
                fitted = (
                    (resize(picture, grid.cell) for picture in pictures)
                    if side == 0  # a projection is hatched at the size it is drawn at: enlarged, lines are specks
                    else (fit_tile(each.pixels, grid.cell, each.box, each.input_size) for each in self._row.projections)
                )
                paint(area, grid, fitted)
