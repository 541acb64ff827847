"""The paper's figure 2: for each unit, reconstructions beside the image patches they come from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zfpipe.pictures.crops import fit_tile, past_border
from zfpipe.pictures.filters import FilterPanel, Filters
from zfpipe.pictures.mosaics import (
    Grid,
    beside,
    blank_page,
    block,
    block_size,
    columns_for,
    gap_of,
    paint,
)
from zfpipe.pictures.pages import Page, Words, number
from zfpipe.pictures.prose import Prose, Text

# Inches on the page, and points of type.
PAGE_WIDTH, MARGIN = 11.0, 0.22
BLOCK_LEAST, BLOCK_MOST = 1.05, 2.2
BETWEEN_PAIRS, LABEL, BELOW_PAIR = 0.26, 0.17, 0.09
LABEL_SIZE = 6.5
SHARP = 64  # pixels: a PDF keeps each pixel of the input, and gives smaller tiles at least this many


@dataclass
class UnitPictures:
    """One unit's pictures, strongest first; a missing entry (image_index -1) has a box of -1 and is drawn blank.

    `activation` (K,) float, `boxes` (K, 4) int in pixels of the input, `reconstructions` (grey is zero) and
    `patches` (K, h, w, 3) uint8. `of` says which run it is of, where a figure shows several.
    """

    unit: int
    activation: np.ndarray
    boxes: np.ndarray
    reconstructions: np.ndarray
    patches: np.ndarray
    of: str = ""

    @property
    def present(self) -> np.ndarray:
        """(K,) bool: which entries are there."""
        return self.boxes[:, 2] > self.boxes[:, 0]

    def hatched(self, input_size: tuple[int, int]) -> bool:
        """Whether a picture is hatched: it reaches past the border of an image of `input_size`."""
        return past_border(self.boxes[self.present], input_size)


def grid_page(
    kind: str,
    units: Sequence[UnitPictures],
    input_size: tuple[int, int],
    text: Text,
    filters: Filters | None = None,
    dpi: int = 150,
    group: int = 1,
) -> Page:
    """Return units as a page, a grid of pairs of blocks, to be saved as `kind` 'png' or 'pdf'.

    `input_size` is (height, width) in pixels; `filters` are shown above the units; `dpi`
    is the PNG's resolution: a PDF keeps every pixel of the input. Every `group` units stand in one row.
    """
    layout = _Layout(kind, len(units), *units[0].patches.shape[:3], text, filters, dpi, group)
    page = Page(blank_page(*layout.page_size), layout.per_inch)
    paint(
        page.pixels,
        layout.grid,
        (pair_picture(unit, layout.tile, layout.inner, input_size) for unit in units),
    )
    for position, unit in enumerate(units):
        page.words += _label(unit, layout, position)
    if layout.panel:
        layout.panel.paint(page)
    page.words += layout.text_words()
    return page


def pair_picture(unit: UnitPictures, tile: tuple[int, int], gap: int, input_size: tuple[int, int]) -> np.ndarray:
    """Return a unit's two blocks side by side (uint8): missing entries blank, padding hatched."""
    halves = [
        block(
            [
                fit_tile(picture, tile, box, input_size) if there else None
                for picture, box, there in zip(pictures, unit.boxes, unit.present, strict=True)
            ],
            tile,
        )
        for pictures in (unit.reconstructions, unit.patches)
    ]
    return beside(*halves, gap)


def tile_size(crop: tuple[int, int], target: float) -> tuple[int, int]:
    """Return the tile (th, tw) in pixels for a crop (h, w), near `target` pixels on the longer side.

    A whole multiple of the crop where that comes within 1.6 times of the target, so that pixels stay even
    squares.
    """
    longer = max(crop)
    zoom = min(range(1, max(2, int(2 * target / longer) + 2)), key=lambda z: abs(np.log(z * longer / target)))
    if longer <= 1.6 * target:
        return crop[0] * zoom, crop[1] * zoom
    down, across = (max(1, round(side * target / longer)) for side in crop)
    return down, across


class _Layout:
    """Where everything stands, in pixels of the page."""

    def __init__(
        self, kind: str, count: int, k: int, height: int, width: int, text: Text,
        filters: Filters | None, dpi: int, group: int,
    ):  # fmt: skip
        crop = (height, width)
        rough = block_size(k, (100 * height, 100 * width))  # large, so that rounded gaps weigh nothing
        columns = group * columns_for(count // group, aspect=group * 2.1 * rough[1] / (1.15 * rough[0]))
        free = PAGE_WIDTH - 2 * MARGIN - (columns - 1) * BETWEEN_PAIRS
        block_width = min(BLOCK_MOST, max(BLOCK_LEAST, free / (2.1 * columns)))
        if kind == "pdf":
            self.tile = tile_size(crop, max(SHARP, *crop))
            self.per_inch = block_size(k, self.tile)[1] / block_width
        else:
            self.per_inch = dpi
            self.tile = tile_size(crop, block_width * dpi * 100 * max(crop) / rough[1])
        self.inner = 5 * gap_of(self.tile)
        self._place(count, columns, k, text, filters)

    def _place(self, count: int, columns: int, k: int, text: Text, filters: Filters | None) -> None:
        half = block_size(k, self.tile)
        cell, between = (
            (half[0], 2 * half[1] + self.inner),
            (self.px(LABEL + BELOW_PAIR), self.px(BETWEEN_PAIRS)),
        )
        width = Grid(count, columns, cell, between).size[1] + 2 * self.px(MARGIN)
        inches = width / self.per_inch - 2 * MARGIN
        self._prose = Prose(text, inches, self.per_inch)
        top = self.px(MARGIN) + self._prose.above + self.px(BELOW_PAIR)
        self.panel = None
        if filters is not None:
            self.panel = FilterPanel(filters, top, self.px(MARGIN), width - 2 * self.px(MARGIN), self.per_inch)
            top = self.panel.bottom + self.px(BELOW_PAIR)
        self.grid = Grid(count, columns, cell, between, top + self.px(LABEL), self.px(MARGIN))
        self._foot = self.grid.top + self.grid.size[0] + self.px(1.5 * BELOW_PAIR)
        self.page_size = (self._foot + self._prose.below + self.px(0.6 * MARGIN), width)

    def px(self, inches: float) -> int:
        return round(inches * self.per_inch)

    def text_words(self) -> list[Words]:
        """The title and details above, the small print below."""
        return self._prose.words(self.px(MARGIN), self.px(MARGIN), self._foot)


def _label(unit: UnitPictures, layout: _Layout, position: int) -> list[Words]:
    """The unit's number at the left, its activations at the right, above the pair; 'dead' for a dead unit."""
    top, left = layout.grid.corner(position)
    right, middle = left + layout.grid.cell[1], top - layout.px(0.5 * LABEL)
    called = " \N{MIDDLE DOT} ".join(filter(None, [f"unit {unit.unit}", unit.of]))
    name = Words(called, left, middle, LABEL_SIZE, weight="bold")
    strong = unit.activation[unit.present]
    if len(strong) == 0:
        return [name, Words("dead", right, middle, LABEL_SIZE, "right", colour="#a03030")]
    span = " \N{EN DASH} ".join(dict.fromkeys([number(strong[0]), number(strong[-1])]))
    return [name, Words(span, right, middle, LABEL_SIZE, "right", colour="#555555")]
