"""Similarity of trained and untrained projections, a column of points a layer."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zfpipe.pictures.pages import STYLE
from zfpipe.pictures.saving import save_figure

PANELS = (("structural", "structural similarity"), ("ranks", "rank correlation"))


def draw_similarity(
    path: str | Path, layers: Mapping[str, Mapping[str, np.ndarray]], title: str, dpi: int = 150
) -> None:
    """Draw points and medians into a PNG; the same numbers give the same bytes.

    `layers` has, for each layer, arrays (N,) `structural` and `ranks`, one number a patch; NaN is left out.
    """
    with matplotlib.rc_context(fname=str(files("zfpipe.pictures") / STYLE)):
        figure = Figure(figsize=(max(5.0, 1.0 + 1.1 * len(layers)), 3.2), layout="constrained")
        figure.suptitle(title, fontsize=9, x=0.01, ha="left", weight="bold")
        for axes, (key, label) in zip(figure.subplots(1, 2), PANELS, strict=True):
            _panel(axes, {name: numbers[key] for name, numbers in layers.items()})
            axes.set(ylabel=label, ylim=(-1.05, 1.05))
        save_figure(path, figure, "png", dpi=dpi, metadata={"Software": None})


def _panel(axes: Axes, columns: Mapping[str, np.ndarray]) -> None:
    axes.axhline(0, color="#bbbbbb", linewidth=0.6)
    for place, values in enumerate(columns.values()):
        values = values[np.isfinite(values)]
        if len(values) == 0:
            continue
        spread = ((np.arange(len(values)) * 0.618034) % 1 - 0.5) * 0.6  # side by side, the same way each time
        axes.plot(place + spread, values, ".", color="#0072b2", alpha=0.25, markersize=2.5)
        middle = float(np.median(values))
        axes.plot([place - 0.36, place + 0.36], [middle] * 2, color="#d55e00", linewidth=1.6)
        axes.annotate(f"{middle:.2f}", (place, 1.0), ha="center", va="bottom", size=6, color="#d55e00")
    axes.set_xticks(range(len(columns)), list(columns), rotation=30 if len(columns) > 5 else 0)
