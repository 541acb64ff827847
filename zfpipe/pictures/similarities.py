"""Similarity of trained and untrained projections, a column of points a layer."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from zfpipe.pictures.saving import in_style, save_figure
from zfpipe.pictures.strips import points

PANELS = (("structural", "structural similarity"), ("ranks", "rank correlation"))


def draw_similarity(
    path: str | Path, layers: Mapping[str, Mapping[str, np.ndarray]], title: str, dpi: int = 150
) -> None:
    """Draw points and medians into a PNG; the same numbers give the same bytes.

    `layers` has, for each layer, arrays (N,) `structural` and `ranks`, one number a patch; NaN is left out.
    """
    with in_style():
        figure = Figure(figsize=(max(5.0, 1.0 + 1.1 * len(layers)), 3.2), layout="constrained")
        figure.suptitle(title, fontsize=9, x=0.01, ha="left", weight="bold")
        for axes, (key, label) in zip(figure.subplots(1, 2), PANELS, strict=True):
            axes.axhline(0, color="#bbbbbb", linewidth=0.6)
            points(axes, {name: numbers[key] for name, numbers in layers.items()})
            axes.set(ylabel=label, ylim=(-1.05, 1.05))
        save_figure(path, figure, "png", dpi=dpi, metadata={"Software": None})
