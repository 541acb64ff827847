"""A confusion matrix as a picture: a row a true class, a column a class that the network chose."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from zfpipe.pictures.saving import in_style, save_figure

MOST_NAMED = 60  # more names than this cannot be read


def draw_confusion(path: str | Path, counts: np.ndarray, classes: list[str], title: str, dpi: int = 150) -> None:
    """Draw counts (C, C) int, true classes down, as shares of each true class; the same counts give the same bytes."""
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    named = len(classes) <= MOST_NAMED
    side = min(9.0, max(3.2, 0.16 * len(classes) + 2.2)) if named else 7.0
    with in_style():
        figure = Figure(figsize=(side + 0.9, side), layout="constrained")
        axes = figure.subplots()
        drawn = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        bar = figure.colorbar(drawn, ax=axes, shrink=0.8, label="share of the true class")
        bar.outline.set_visible(False)
        axes.set(title=title, xlabel="chosen by the network", ylabel="true class")
        if named:
            places = range(len(classes))
            axes.set_xticks(places, classes, rotation=90)
            axes.set_yticks(places, classes)
        if len(classes) <= 12:
            _write_counts(axes, counts, shares)
        save_figure(path, figure, "png", dpi=dpi, metadata={"Software": None})


def _write_counts(axes, counts: np.ndarray, shares: np.ndarray) -> None:
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.5 else "#222222"
            axes.text(column, row, str(count), ha="center", va="center", size=6, color=colour)
