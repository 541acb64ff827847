"""The five panels of an occlusion experiment (paper, fig. 7): image, map, projections, probability, likeliest class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from zfpipe.pictures.mosaics import block
from zfpipe.pictures.saving import in_style, save_figure

CLASS_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#555555")
OTHER = "#dddddd"
LEAST_HARM = 0.001  # of the probability: less shows in no panel, and differs from machine to machine


def draw_occlusion(
    path: str | Path,
    image: np.ndarray,
    projections: Sequence[np.ndarray],
    top: np.ndarray,
    left: np.ndarray,
    square: int,
    activation: np.ndarray,
    probability: np.ndarray,
    unoccluded: float,
    likeliest: Sequence[Sequence[str]],
    words: dict[str, str],
    dpi: int = 200,
) -> None:
    """Draw the panels into a PNG; the same arrays give the same bytes.

    `image` (H, W, 3) uint8; `projections` are pixels (h, w, 3) uint8, this image's first. `top` (R,), `left` (C,) are
    the square's corners in pixels; `activation`, `probability` (R, C), and the probability `unoccluded`; `likeliest`
    (R, C) class names. `words` has `title`, `label`, `layer` and `unit`.
    """
    with in_style():
        figure = Figure(figsize=(12.6, 3.2), layout="constrained")
        figure.suptitle(words["title"], fontsize=9, x=0.01, ha="left", weight="bold")
        panels = figure.subplots(1, 5)
        reach = _extent(top, left, square)
        _image(panels[0], image, top, left, square, probability, unoccluded)
        _map(figure, panels[1], image, activation, reach, f"(b) total activation, {words['unit']}", "viridis")
        _projections(panels[2], projections, words["unit"])
        _map(figure, panels[3], image, probability, reach, f"(d) probability of {words['label']}", "magma", (0, 1))
        _classes(panels[4], image, likeliest, reach)
        save_figure(path, figure, "png", dpi=dpi, metadata={"Software": None})


def _extent(top: np.ndarray, left: np.ndarray, square: int) -> tuple[float, float, float, float]:
    """Return left, right, bottom, top of a map whose cells are centred where the square's middle was."""
    cell = [np.diff(starts).max() if len(starts) > 1 else square for starts in (top, left)]
    middle = [(starts[0] + square / 2, starts[-1] + square / 2) for starts in (top, left)]
    (above, below), (before, behind) = middle
    return before - cell[1] / 2, behind + cell[1] / 2, below + cell[0] / 2, above - cell[0] / 2


def _image(
    axes: Axes,
    image: np.ndarray,
    top: np.ndarray,
    left: np.ndarray,
    square: int,
    probability: np.ndarray,
    before: float,
) -> None:
    axes.imshow(image)
    if before - probability.min() < LEAST_HARM:
        _finish(axes, "(a) image; no square lowers (d)", image)
        return
    worst = np.unravel_index(probability.argmin(), probability.shape)
    corner = left[worst[1]] - 0.5, top[worst[0]] - 0.5
    axes.add_patch(Rectangle(corner, square, square, facecolor="#808080", edgecolor="white", linewidth=0.8))
    _finish(axes, "(a) image, square where it harms most", image)


def _map(figure: Figure, axes: Axes, image: np.ndarray, values: np.ndarray, reach, title: str, colours: str, span=None):
    low, high = span or (values.min(), values.max())
    drawn = axes.imshow(values, extent=reach, cmap=colours, vmin=low, vmax=high)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.72, pad=0.02)
    bar.outline.set_visible(False)
    _finish(axes, title, image)


def _projections(axes: Axes, pictures: Sequence[np.ndarray], unit: str) -> None:
    tile = max((picture.shape[:2] for picture in pictures), default=(1, 1))
    axes.imshow(block(list(pictures), tile))
    said = "projection" if len(pictures) == 1 else "projections, this image's first"
    axes.set(title=f"(c) {said}", xticks=[], yticks=[])
    axes.set_frame_on(False)


def _classes(axes: Axes, image: np.ndarray, likeliest: Sequence[Sequence[str]], reach) -> None:
    names = np.array(likeliest)
    found, counts = np.unique(names, return_counts=True)
    order = [str(found[place]) for place in np.argsort(-counts, kind="stable")]
    shown, rest = order[: len(CLASS_COLOURS)], order[len(CLASS_COLOURS) :]
    colours = [*CLASS_COLOURS[: len(shown)], *([OTHER] if rest else [])]
    places = {name: min(number, len(shown)) for number, name in enumerate(order)}
    numbers = np.vectorize(places.__getitem__)(names)
    bounds = np.arange(len(colours) + 1) - 0.5
    axes.imshow(numbers, extent=reach, cmap=ListedColormap(colours), norm=BoundaryNorm(bounds, len(colours)))
    labels = [*shown, *([f"{len(rest)} others"] if rest else [])]
    keys = [Patch(color=colour, label=label) for colour, label in zip(colours, labels, strict=True)]
    axes.legend(handles=keys, fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=2)
    _finish(axes, "(e) most probable class", image)


def _finish(axes: Axes, title: str, image: np.ndarray) -> None:
    """Give a panel the image's own frame, in pixels of the input."""
    height, width = image.shape[:2]
    axes.set_frame_on(False)
    axes.set(title=title, xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
