"""A page of pixels with words and thin outlines on it, saved as PNG or PDF: the same bytes each time."""

import textwrap
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from zfpipe.pictures.saving import save_figure

STYLE = "paper.mplstyle"
# Nothing that changes from day to day or from one release of matplotlib to the next.
METADATA = {
    "png": {"Software": None},
    "pdf": {"Creator": "zfpipe", "Producer": None, "CreationDate": None},
}
POINTS = 72  # an inch
RIM = "#202020"


@dataclass(frozen=True)
class Words:
    """A line of text: (x, y), in pixels of the page, is its end that `align` names, at half its height."""

    text: str
    x: float
    y: float
    size: float = 6.5
    align: str = "left"
    weight: str = "normal"
    colour: str = "#222222"
    on_picture: bool = False  # with a dark rim, to be read on any background


@dataclass(frozen=True)
class Outline:
    """A thin rectangle in pixels of the page, seen on any background."""

    top: float
    left: float
    bottom: float
    right: float
    colour: str = "#ffd23f"


@dataclass
class Page:
    """`pixels` (H, W, 3) uint8, at `per_inch` pixels an inch, and what is written and outlined on it."""

    pixels: np.ndarray
    per_inch: float
    words: list[Words] = field(default_factory=list)
    outlines: list[Outline] = field(default_factory=list)


def save_page(path: str | Path, page: Page, kind: str) -> None:
    """Save a page whole, as `kind` 'png' (pixel for pixel) or 'pdf' (text stays text).

    Raises UserError if the file cannot be written.
    """
    with matplotlib.rc_context(fname=str(files("zfpipe.pictures") / STYLE)):
        figure = page_figure(page)
        save_figure(path, figure, kind, dpi=page.per_inch, metadata=METADATA[kind])


def page_figure(page: Page) -> Figure:
    """Return the matplotlib figure of a page: one image that fills it, coordinates in its pixels."""
    height, width = page.pixels.shape[:2]
    # The canvas rounds down: a hair more than whole pixels keeps the last row and column.
    figure = Figure(figsize=((width + 0.01) / page.per_inch, (height + 0.01) / page.per_inch), dpi=page.per_inch)
    axes = figure.add_axes((0, 0, width / (width + 0.01), 1))
    axes.set_axis_off()
    axes.imshow(page.pixels, extent=(0, width, height, 0), interpolation="none", aspect="auto")
    axes.set(xlim=(0, width), ylim=(height, 0))
    for line in page.words:
        _write(axes, line)
    for outline in page.outlines:
        axes.add_patch(_rectangle(outline))
    return figure


def wrap(text: str, width: float, size: float) -> list[str]:
    """Return `text` as lines that fit `width` inches at `size` points (0.62 of it a letter: DejaVu Sans)."""
    letters = max(12, int(width * POINTS / (0.62 * size)))
    return [line for part in text.split("\n") for line in textwrap.wrap(part, letters)]


def number(value: float) -> str:
    """Return three digits of a number, without an exponent where it can be read without."""
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.2e}"
    digits = 0 if value == 0 else max(0, 2 - int(np.floor(np.log10(abs(value)))))
    return f"{value:.{digits}f}"


def _write(axes: Axes, line: Words) -> None:
    style = {"size": line.size, "ha": line.align, "weight": line.weight, "color": line.colour}
    rim = [patheffects.withStroke(linewidth=1.6, foreground=RIM)] if line.on_picture else None
    axes.text(line.x, line.y, line.text, va="center_baseline", path_effects=rim, **style)


def _rectangle(outline: Outline) -> Rectangle:
    shape = Rectangle(
        (outline.left, outline.top),
        outline.right - outline.left,
        outline.bottom - outline.top,
        fill=False,
        edgecolor=outline.colour,
        linewidth=0.8,
        joinstyle="miter",
    )
    shape.set_path_effects([patheffects.withStroke(linewidth=1.8, foreground=RIM)])
    return shape
