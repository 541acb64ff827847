"""Masked images, and how alike a network's features change from image to image (paper, table 1)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zfpipe.pictures.saving import in_style, save_figure

KINDS = {"part": ("#0072b2", "the part masked", -0.12), "random": ("#d55e00", "as large, anywhere", 0.12)}


def draw_correspondence(
    path: str | Path,
    images: Sequence[Sequence[np.ndarray]],
    parts: Sequence[str],
    layers: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]],
    title: str,
    dpi: int = 200,
) -> None:
    """Draw the images and a panel a layer into a PNG; the same numbers give the same bytes.

    `images` has, for each image, pictures (H, W, 3) uint8 with each of the `parts` masked, and last with a random box.
    `layers` has, for each layer and each of KINDS, mean and standard deviation for each part.
    """
    with in_style():
        height = max(2.6, 0.8 * len(images) + 0.6)
        wide = 0.85 * (len(parts) + 1)
        figure = Figure(figsize=(wide + 2.7 * len(layers) + 0.3, height), layout="constrained")
        figure.suptitle(title, fontsize=9, x=0.01, ha="left", weight="bold")
        left, *panels = figure.subplots(1, 1 + len(layers), width_ratios=[wide, *[2.7] * len(layers)])
        _images(left, images, [*parts, "random"])
        for axes, (name, kinds) in zip(panels, layers.items(), strict=True):
            _panel(axes, name, parts, kinds)
        panels[0].set_ylabel("share of signs that differ")
        panels[-1].legend(fontsize=6)
        save_figure(path, figure, "png", dpi=dpi, metadata={"Software": None})


def _images(axes: Axes, images: Sequence[Sequence[np.ndarray]], columns: Sequence[str]) -> None:
    height, width = images[0][0].shape[:2]
    gap = max(1, width // 20)
    sheet = np.full((len(images) * (height + gap) - gap, len(columns) * (width + gap) - gap, 3), 255, np.uint8)
    for row, pictures in enumerate(images):
        for column, picture in enumerate(pictures):
            top, left = row * (height + gap), column * (width + gap)
            sheet[top : top + height, left : left + width] = picture
    axes.imshow(sheet)
    axes.set_xticks([column * (width + gap) + width / 2 for column in range(len(columns))], columns)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_yticks([])
    axes.set_frame_on(False)


def _panel(axes: Axes, name: str, parts: Sequence[str], kinds: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    for kind, (colour, label, shift) in KINDS.items():
        mean, spread = np.array(kinds[kind], float).T
        places = np.arange(len(parts)) + shift
        axes.errorbar(places, mean, spread, fmt="o", color=colour, markersize=4, capsize=2, label=label)
    axes.set_xticks(range(len(parts)), parts)
    axes.set(title=name, xlim=(-0.6, len(parts) - 0.4), ylim=(0, None))
