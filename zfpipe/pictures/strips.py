"""Columns of points with their medians: how a number of many units is spread, layer by layer."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zfpipe.pictures.pages import wrap
from zfpipe.pictures.saving import in_style, save_figure


def draw_strips(
    path: str | Path,
    columns: Mapping[str, np.ndarray],
    label: str,
    chance: float,
    title: str,
    parts: Mapping[str, str],
    note: str,
    dpi: int = 150,
) -> None:
    """Draw a column of points (N,) for each name, from 0 to 1, into a PNG; the same numbers give the same bytes.

    `chance` is drawn as a line across, what comes without merit. `parts` stand below the names, the `note` at the foot.
    """
    width = max(3.2, 1.0 + 0.7 * len(columns))
    with in_style():
        figure = Figure(figsize=(width, 3.2), layout="constrained")
        figure.suptitle(title, fontsize=9, x=0.01, ha="left", weight="bold")
        axes = figure.subplots()
        axes.axhline(chance, color="#888888", linewidth=0.8, linestyle="--")
        words = f"by chance {chance:.2f}"
        axes.text(0.99, chance - 0.015, words, ha="right", va="top", size=6, transform=axes.get_yaxis_transform())
        points(axes, {f"{name}\n{parts[name]}": values for name, values in columns.items()})
        axes.set(ylabel=label, xlim=(-0.6, len(columns) - 0.4), ylim=(-0.03, 1.03))
        figure.supxlabel("\n".join(wrap(note, width - 0.1, 6)), size=6, x=0.01, ha="left", color="#666666")
        save_figure(path, figure, "png", dpi=dpi, metadata={"Software": None})


def points(axes: Axes, columns: Mapping[str, np.ndarray]) -> None:
    """Draw the columns and mark their medians; what is not finite is left out."""
    for place, values in enumerate(columns.values()):
        values = values[np.isfinite(values)]
        if len(values) == 0:
            continue
        spread = ((np.arange(len(values)) * 0.618034) % 1 - 0.5) * 0.6  # side by side, the same way each time
        axes.plot(place + spread, values, ".", color="#0072b2", alpha=0.25, markersize=2.5)
        middle = float(np.median(values))
        for side in (-1, 1):  # beside the points: where many share the median, a bar across would hide them
            axes.plot(
                [place + 0.33 * side, place + 0.43 * side],
                [middle] * 2,
                "#d55e00",
                linewidth=1.6,
                solid_capstyle="butt",
            )
        axes.text(
            place, 1.02, f"{middle:.2f}", ha="center", size=6, color="#d55e00", transform=axes.get_xaxis_transform()
        )
    axes.set_xticks(range(len(columns)), list(columns), rotation=30 if len(columns) > 5 else 0)
