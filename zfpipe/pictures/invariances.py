"""Curves of the invariance experiment (paper, figure 5): a row a warp, a column a layer, and one for the label."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zfpipe.pictures.saving import in_style, save_figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555")
AXES = {"translation": "vertical shift, pixels", "scale": "scale", "rotation": "rotation, degrees"}


def draw_invariance(
    path: str | Path,
    samples: Mapping[str, Sequence[np.ndarray]],
    columns: Sequence[str],
    curves: Mapping[str, Mapping[str, np.ndarray]],
    title: str,
    dpi: int = 200,
) -> None:
    """Draw the curves into a PNG; the same numbers give the same bytes.

    `samples` has, for each warp, some warped images (H, W, 3) uint8. `columns` names what is measured; `curves`
    has, for each warp and each image's name, an array (N, 1 + columns): the amount, then the measures.
    """
    with in_style():
        figure = Figure(figsize=(3.0 + 2.5 * len(columns), 2.0 * len(curves) + 0.4), layout="constrained")
        figure.suptitle(title, fontsize=9, x=0.01, ha="left", weight="bold")
        widths = [1.15] + [1] * len(columns)
        panels = figure.subplots(len(curves), 1 + len(columns), width_ratios=widths, squeeze=False)
        for row, (kind, by_image) in zip(panels, curves.items(), strict=True):
            _samples(row[0], samples[kind])
            for place, (axes, column) in enumerate(zip(row[1:], columns, strict=True), start=1):
                _curves(axes, by_image, place)
                axes.set(xlabel=AXES[kind], ylabel=column, ylim=(0, 1.02) if column.startswith("probab") else (0, None))
        if len(next(iter(curves.values()))) > 1:
            panels[0, -1].legend(fontsize=6)
        save_figure(path, figure, "png", dpi=dpi, metadata={"Software": None})


def _samples(axes: Axes, images: Sequence[np.ndarray]) -> None:
    gap = np.full((images[0].shape[0], max(1, images[0].shape[1] // 20), 3), 255, np.uint8)
    strip = [part for image in images for part in (image, gap)][:-1]
    axes.imshow(np.concatenate(strip, axis=1))
    axes.set(xticks=[], yticks=[])
    axes.set_frame_on(False)


def _curves(axes: Axes, by_image: Mapping[str, np.ndarray], place: int) -> None:
    for number, (name, points) in enumerate(by_image.items()):
        axes.plot(points[:, 0], points[:, place], color=COLOURS[number % len(COLOURS)], label=name)
