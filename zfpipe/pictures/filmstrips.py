"""The paper's figure 4: units through training, a unit a row, an epoch a column, projection above patch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zfpipe.data.channels import shown
from zfpipe.files.evolution import LayerEvolution
from zfpipe.files.reconstruction import inside_image
from zfpipe.pictures.crops import fit_tile
from zfpipe.pictures.grids import MARGIN, SHARP, UnitPictures, tile_size
from zfpipe.pictures.mosaics import BLANK, blank_page
from zfpipe.pictures.mosaics import LINE as RIM
from zfpipe.pictures.pages import Page, Words, number
from zfpipe.pictures.prose import Prose, Text
from zfpipe.pictures.ranges import unit_pixels

# Inches on the page, and points of type.
TILE, GAP, BETWEEN, LABEL, HEADING, BAR = 0.62, 0.1, 0.12, 0.62, 0.2, 0.035
LABEL_SIZE, NUMBER_SIZE = 6.5, 5.5
JUMP = (213, 94, 0)  # the bar before an image that is another one than at the epoch before
FIGURES = 0.12  # inches for the activation below a patch


@dataclass(frozen=True)
class Strip:
    """A unit through E epochs: its pictures, an epoch in the place of a rank, and (E,) bool where the image changed."""

    pictures: UnitPictures
    changed: np.ndarray


def strip_of(
    layer: LayerEvolution, row: int, input_size: tuple[int, int], channels: list[int] | None, quantile: float
) -> Strip:
    """Return the pictures of the unit in row `row` of an evolution file, each projection by its own scale.

    `channels` of the image are shown, `quantile` of a projection's pixels are within its scale.
    """
    projections, boxes = shown(layer.projection[row], channels), layer.entries.boxes(input_size)[row]
    whole = np.array([0, 0, *projections.shape[1:3]])  # of a missing entry, whose picture is not drawn
    inside = np.stack([inside_image(box if box[2] > box[0] else whole, input_size) for box in boxes])
    pixels = unit_pixels(projections, inside, "patch", quantile)
    patches = shown(layer.patch[row], channels)
    pictures = UnitPictures(int(layer.unit[row]), layer.entries.activation[row], boxes, pixels, patches)
    return Strip(pictures, layer.changed[row])


def filmstrip_page(
    kind: str,
    strips: Sequence[Strip],
    epochs: Sequence[int],
    crop: tuple[int, int],
    input_size: tuple[int, int],
    text: Text,
    dpi: int = 150,
) -> Page:
    """Return units through training as a page, to be saved as `kind` 'png' or 'pdf'.

    `crop` is a patch's size, `input_size` the network's, (height, width) in pixels. `dpi` is the PNG's resolution: a
    PDF keeps every pixel of the input.
    """
    tile = tile_size(crop, max(SHARP, *crop) if kind == "pdf" else TILE * dpi)
    layout = _Layout(max(tile) / TILE if kind == "pdf" else dpi, tile, len(strips), len(epochs), text)
    page = Page(blank_page(*layout.page_size), layout.per_inch)
    page.words += layout.prose.words(layout.px(MARGIN), layout.px(MARGIN), layout.foot)
    for place, epoch in enumerate(epochs):
        middle = layout.left(place) + tile[1] / 2
        said = f"epoch {epoch}" if place == 0 else str(epoch)
        page.words.append(Words(said, middle, layout.heading, LABEL_SIZE, "center"))
    for row, strip in enumerate(strips):
        _paint(page, layout, row, strip, input_size)
    return page


def _paint(page: Page, layout: "_Layout", row: int, strip: Strip, input_size: tuple[int, int]) -> None:
    unit, tile, top = strip.pictures, layout.tile, layout.top(row)
    middle = top + tile[0] + layout.seam / 2
    page.words.append(Words(f"unit {unit.unit}", layout.px(MARGIN), middle, LABEL_SIZE, weight="bold"))
    for place, there in enumerate(unit.present):
        left = layout.left(place)
        rim = layout.seam  # a white patch ends there too
        page.pixels[top - rim : top + 2 * tile[0] + 2 * rim, left - rim : left + tile[1] + rim] = RIM
        for which, pictures in enumerate((unit.reconstructions, unit.patches)):
            start = top + which * (tile[0] + layout.seam)
            shown = fit_tile(pictures[place], tile, unit.boxes[place], input_size) if there else BLANK
            page.pixels[start : start + tile[0], left : left + tile[1]] = shown
        if strip.changed[place]:
            bar = layout.px(BAR)
            edge = left - (layout.px(GAP) + bar) // 2
            page.pixels[top : top + 2 * tile[0] + layout.seam, edge : edge + bar] = JUMP
        said = number(unit.activation[place]) if there else "silent"
        below = top + 2 * tile[0] + layout.seam + layout.px(FIGURES / 2)
        page.words.append(Words(said, left + tile[1] / 2, below, NUMBER_SIZE, "center", colour="#777777"))


class _Layout:
    """Where everything stands, in pixels of the page."""

    def __init__(self, per_inch: float, tile: tuple[int, int], units: int, epochs: int, text: Text):
        self.per_inch, self.tile = per_inch, tile
        self.seam = max(1, self.px(0.012))  # between projection and patch
        width = 2 * self.px(MARGIN) + self.px(LABEL) + epochs * (tile[1] + self.px(GAP))
        width = max(width, self.px(4.2))  # or the words above would be broken too often
        inches = width / per_inch - 2 * MARGIN
        self.prose = Prose(text, inches, per_inch)
        self._first = self.px(MARGIN + HEADING) + self.prose.above
        self.heading = self._first - self.px(HEADING / 2)
        self.foot = self.top(units) + self.px(0.02)
        self.page_size = (self.foot + self.prose.below + self.px(0.6 * MARGIN), width)

    def px(self, inches: float) -> int:
        return round(inches * self.per_inch)

    def top(self, row: int) -> int:
        """Where a unit's projections begin."""
        return self._first + row * (2 * self.tile[0] + self.seam + self.px(FIGURES) + self.px(BETWEEN))

    def left(self, place: int) -> int:
        """Where an epoch's column begins."""
        return self.px(MARGIN) + self.px(LABEL) + place * (self.tile[1] + self.px(GAP))
