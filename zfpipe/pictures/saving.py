"""Pages and matplotlib's figures to files, whole: the same bytes each time."""

import io
import itertools
from contextlib import AbstractContextManager
from importlib.resources import files
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from zfpipe.files.whole import write_bytes
from zfpipe.pictures.encode import png, with_picture
from zfpipe.pictures.pages import POINTS, Outline, Page, Words

STYLE = "paper.mplstyle"
# Nothing that changes from day to day or from one release of matplotlib to the next.
PDF_METADATA = {"Creator": "zfpipe", "Producer": None, "CreationDate": None}
RIM = "#202020"
LARGEST = 12  # points: no type is larger, and no line is wider


def in_style() -> AbstractContextManager[None]:
    """Return a context in which matplotlib draws as zfpipe's figures look."""
    return matplotlib.rc_context(fname=str(files("zfpipe.pictures") / STYLE))


def save_figure(path: str | Path, figure: Figure, kind: str, **settings: Any) -> None:
    """Save a figure whole as `kind` ('png', 'pdf'). Raises UserError, naming the file, if it cannot be written.

    It is drawn in memory first: where a write fails, matplotlib stumbles over itself and hides the cause.
    """
    data = io.BytesIO()
    figure.savefig(data, format=kind, **settings)
    write_bytes(path, data.getvalue())


def save_page(path: str | Path, page: Page, kind: str) -> None:
    """Save a page whole, as `kind` 'png' (pixel for pixel) or 'pdf' (text stays text).

    matplotlib writes and outlines; the pixels go past it, since it would copy and colour a whole layer's again and
    again. A PNG's words are put on the page's own pixels.
    Raises UserError if the file cannot be written.
    """
    with in_style():
        write_bytes(path, {"png": _png, "pdf": _pdf}[kind](page))


def page_figure(page: Page) -> Figure:
    """Return the words and outlines of a page as a matplotlib figure, coordinates in the page's pixels."""
    height, width = page.pixels.shape[:2]
    # The canvas rounds down: a hair more than whole pixels keeps the last row and column.
    figure = Figure(figsize=((width + 0.01) / page.per_inch, (height + 0.01) / page.per_inch), dpi=page.per_inch)
    axes = figure.add_axes((0, 0, width / (width + 0.01), 1))
    axes.set_axis_off()
    axes.set(xlim=(0, width), ylim=(height, 0))
    for line in page.words:
        _write(axes, line)
    for outline in page.outlines:
        axes.add_patch(_rectangle(outline))
    return figure


def _png(page: Page) -> bytes:
    figure = page_figure(page)
    figure.patch.set_visible(False)
    renderer = FigureCanvasAgg(figure).get_renderer()
    canvas, bands = np.asarray(renderer.buffer_rgba()), _written(page)
    for band, colour in itertools.product(bands, range(3)):  # one after the other, since three at a time is slow
        canvas[band, :, colour], canvas[band, :, 3] = page.pixels[band, :, colour], 255
    figure.draw(renderer)
    for band, colour in itertools.product(bands, range(3)):
        page.pixels[band, :, colour] = canvas[band, :, colour]
    return png(page.pixels, page.per_inch)


def _pdf(page: Page) -> bytes:
    figure, (height, width) = page_figure(page), page.pixels.shape[:2]
    place = {"extent": (0, width, 0, height), "aspect": "auto", "interpolation": "none"}
    picture = figure.axes[0].imshow(np.zeros((1, 1, 3), np.uint8), **place)  # to be replaced
    whole = with_picture(_matplotlibs(figure), page.pixels)
    if whole is None:  # matplotlib of some other release: by itself, slowly
        picture.set_data(page.pixels)
        whole = _matplotlibs(figure)
    return whole


def _matplotlibs(figure: Figure) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="pdf", metadata=PDF_METADATA)
    return data.getvalue()


def _written(page: Page) -> list[slice]:
    """Return the bands of rows of pixels that words or outlines reach."""
    rows = np.zeros(len(page.pixels), bool)
    spans = [(outline.top, outline.bottom) for outline in page.outlines] + [(line.y, line.y) for line in page.words]
    reach = LARGEST / POINTS * page.per_inch
    for first, last in spans:
        rows[max(0, int(first - reach)) : int(last + reach) + 2] = True
    ends = np.flatnonzero(np.diff(rows, prepend=False, append=False))
    return [slice(*band) for band in ends.reshape(-1, 2)]


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
