"""The article's viewer: one image beside the projections of its strongest feature maps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zfpipe.pictures.crops import resize
from zfpipe.pictures.mosaics import Grid, blank_page, paint
from zfpipe.pictures.pages import POINTS, Outline, Page, Words, number, wrap
from zfpipe.pictures.ranges import QUANTILE, say_scale, symmetric_scale, to_pixels
from zfpipe.pictures.saving import save_page

# Inches on the page, and points of type.
MARGIN, BETWEEN, LABEL = 0.22, 0.14, 0.32
TILE = 1.9  # the longer side of a projection
TITLE_SIZE, NOTE_SIZE, LABEL_SIZE, LINE = 10, 6, 6.5, 1.45


@dataclass(frozen=True)
class _Layout:
    """Where the image (`photo`) and the projections (`grid`) stand, in pixels of the page."""

    grid: Grid
    photo: Grid
    head: list[str]
    foot: list[str]
    per_inch: int
    foot_top: int
    page_size: tuple[int, int]

    def px(self, inches: float) -> int:
        return round(inches * self.per_inch)


def draw_view(
    path_png: str | Path,
    image: np.ndarray,
    projections: Sequence[np.ndarray],
    labels: Sequence[Mapping[str, Any]],
    layer: str,
    title: str = "",
    quantile: float = QUANTILE,
    dpi: int = 150,
) -> None:
    """Save one image beside what its strongest maps respond to, as a PNG; the same bytes each time.

    `image` (H, W, 3) uint8 is the network's input, `projections` n full frames (H, W, 3) float, strongest first;
    `labels` tells of each its `rank` (from 0), `unit`, `activation`, `row`, `col` and `box` (top, left, bottom,
    right of the receptive field in pixels, outlined). Each projection is scaled by its own `quantile` of its
    magnitude inside its box; zero is mid-grey. Raises ValueError if there is nothing to draw.
    """
    save_page(path_png, view_page(image, projections, labels, layer, title, quantile, dpi), "png")


def view_page(
    image: np.ndarray,
    projections: Sequence[np.ndarray],
    labels: Sequence[Mapping[str, Any]],
    layer: str,
    title: str = "",
    quantile: float = QUANTILE,
    dpi: int = 150,
) -> Page:
    """Return the page that `draw_view` saves."""
    if not projections or len(projections) != len(labels):
        raise ValueError(f"{len(projections)} projections with {len(labels)} labels: one or more are needed")
    layout = _arrange(image.shape[:2], labels, layer, title, quantile, dpi)
    page = Page(blank_page(*layout.page_size), dpi)
    paint(page.pixels, layout.photo, [resize(image, layout.photo.cell, smooth=True)])
    pictures = (_pixels(*each, quantile) for each in zip(projections, labels, strict=True))
    paint(page.pixels, layout.grid, (resize(picture, layout.grid.cell) for picture in pictures))
    for position, label in enumerate(labels):
        _annotate(page, layout, position, label, image.shape[:2])
    _number_boxes(page, layout, labels, image.shape[:2])
    _write(page, layout)
    return page


def _arrange(
    size: tuple[int, int], labels: Sequence[Mapping[str, Any]], layer: str, title: str, quantile: float, dpi: int
) -> _Layout:
    def px(inches: float) -> int:
        return round(inches * dpi)

    count, between = len(labels), (px(BETWEEN + LABEL), px(BETWEEN))
    columns = count if count <= 3 else math.ceil(math.sqrt(count))
    zoom = max(1, round(TILE * dpi / max(size)))
    cell = (size[0] * zoom, size[1] * zoom)
    tall = cell[0] if count <= 3 else 2 * cell[0] + between[0]
    photo_cell = (tall, round(tall * size[1] / size[0]))
    left = 2 * px(MARGIN) + photo_cell[1]
    width = left + Grid(count, columns, cell, between).size[1] + px(MARGIN)
    inches = width / dpi - 2 * MARGIN
    head = wrap(" \N{MIDDLE DOT} ".join(filter(None, [title, layer])), inches, 1.1 * TITLE_SIZE)
    top = px(MARGIN + LINE * TITLE_SIZE * len(head) / POINTS + 0.06 + LABEL)
    grid = Grid(count, columns, cell, between, top, left)
    photo = Grid(1, 1, photo_cell, (0, 0), top, px(MARGIN))
    below = grid.rows > 2  # then there is room for the small print below the image
    foot = wrap(_small_print(count, quantile), photo_cell[1] / dpi if below else inches, NOTE_SIZE)
    foot_top = top + (photo_cell[0] if below else max(grid.size[0], photo_cell[0])) + px(0.1)
    bottom = max(top + grid.size[0], foot_top + px(LINE * NOTE_SIZE * len(foot) / POINTS))
    return _Layout(grid, photo, head, foot, dpi, foot_top, (bottom + px(0.8 * MARGIN), width))


def _small_print(count: int, quantile: float) -> str:
    whose = (
        "projection of the strongest feature map, of which"
        if count == 1
        else f"projections of the {count} strongest feature maps, of each of which"
    )
    return (
        f"The image, and the {whose} only the maximum is kept. {say_scale('patch', quantile, 'projection')} "
        "Outlined: receptive fields."
    )


def _pixels(projection: np.ndarray, label: Mapping[str, Any], quantile: float) -> np.ndarray:
    top, left, bottom, right = _clip(label["box"], projection.shape[:2])
    inside = np.zeros(projection.shape[:2], bool)
    inside[top:bottom, left:right] = True  # elsewhere all is 0, which would pull the quantile down
    return to_pixels(projection, symmetric_scale(projection, inside, quantile))


def _annotate(page: Page, layout: _Layout, position: int, label: Mapping[str, Any], size: tuple[int, int]) -> None:
    """Write a projection's rank, unit, activation and position; outline its receptive field."""
    top, left = layout.grid.corner(position)
    upper, lower = top - layout.px(0.72 * LABEL), top - layout.px(0.3 * LABEL)
    rank, right, grey = str(label["rank"] + 1), left + layout.grid.cell[1], "#555555"
    place = f"row {label['row']}, column {label['col']}"
    page.words += [
        Words(f"{rank}   unit {label['unit']}", left, upper, LABEL_SIZE, weight="bold"),
        Words(number(label["activation"]), right, upper, LABEL_SIZE, "right", colour=grey),
        Words(place, left, lower, NOTE_SIZE, colour=grey),
    ]
    box = _clip(label["box"], size)
    page.outlines.append(_outline(box, (top, left), layout.grid.cell, size))


def _number_boxes(page: Page, layout: _Layout, labels: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> None:
    """Outline each receptive field on the image, with the ranks of all that begin at its corner there."""
    ranks: dict[tuple[int, ...], list[str]] = {}
    outlines = {}
    for label in labels:
        box = _clip(label["box"], size)
        outlines[box] = _outline(box, layout.photo.corner(0), layout.photo.cell, size)
        ranks.setdefault(box[:2], []).append(str(label["rank"] + 1))
    page.outlines += outlines.values()
    for corner, outline in {box[:2]: outline for box, outline in outlines.items()}.items():
        shared, x, y = ranks[corner], outline.left + layout.px(0.05), outline.top + layout.px(0.09)
        page.words.append(Words(", ".join(shared), x, y, LABEL_SIZE, "left", "bold", outline.colour, on_picture=True))


def _write(page: Page, layout: _Layout) -> None:
    """Title above, small print below, 'image' over the image."""
    left = layout.px(MARGIN)
    for top, lines, size, weight, colour in (
        (left, layout.head, TITLE_SIZE, "bold", "#222222"),
        (layout.foot_top, layout.foot, NOTE_SIZE, "normal", "#666666"),
    ):
        step = LINE * size / POINTS * layout.per_inch
        for index, line in enumerate(lines):
            page.words.append(Words(line, left, top + (index + 0.5) * step, size, "left", weight, colour))
    above = layout.photo.top - layout.px(0.3 * LABEL)
    page.words.append(Words("image", left, above, LABEL_SIZE, weight="bold"))


def _outline(box: tuple[int, ...], corner: tuple[int, int], cell: tuple[int, int], size: tuple[int, int]) -> Outline:
    """Return the outline of a box (pixels of the input) on a picture of `cell` size at `corner` of the page."""
    down, across = cell[0] / size[0], cell[1] / size[1]
    top, left, bottom, right = box
    return Outline(
        corner[0] + top * down, corner[1] + left * across, corner[0] + bottom * down, corner[1] + right * across
    )


def _clip(box: Sequence[int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the part of a box that lies in the image."""
    top, left, bottom, right = (int(edge) for edge in box)
    return max(top, 0), max(left, 0), min(bottom, size[0]), min(right, size[1])
