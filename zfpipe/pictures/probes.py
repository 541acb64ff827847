"""Accuracy of linear classifiers by layer, and by images a class (paper, table 7 and figure 9)."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zfpipe.pictures.saving import in_style, save_figure

COLOURS = {"svm": "#0072b2", "softmax": "#d55e00"}
NAMES = {"svm": "linear SVM", "softmax": "softmax"}
SCRATCH, LONG = "#222222", 6


def draw_probe(path: str | Path, summary: pd.DataFrame, guess: float, title: str, dpi: int = 150) -> None:
    """Draw accuracies into a PNG: by layer at the largest n, then by n for each classifier. Bars are deviations.

    `summary` has columns network, layer, classifier, images_per_class, mean, deviation and paper, fractions or NaN;
    `guess` is what guessing gives. The same numbers give the same bytes.
    """
    trained = summary[summary.network == "trained"]
    classifiers = [name for name in COLOURS if name in set(trained.classifier)]
    with in_style():
        figure = Figure(figsize=(0.9 + 2.6 * (1 + len(classifiers)), 2.8), layout="constrained")
        figure.suptitle(title, fontsize=9, x=0.01, ha="left", weight="bold")
        panels = figure.subplots(1, 1 + len(classifiers), sharey=True)
        _by_layer(panels[0], summary, classifiers)
        for axes, name in zip(panels[1:], classifiers, strict=True):
            _by_count(axes, summary, name)
        for axes in panels:
            axes.axhline(guess, color="#aaaaaa", linewidth=0.8, linestyle=":", zorder=0)
            axes.set_ylim(0, 1.02)
        panels[0].set_ylabel("accuracy, mean over classes")
        panels[0].annotate(
            *("guessing", (0.99, guess), (0, 2), ("axes fraction", "data"), "offset points"),
            ha="right",
            fontsize=6,
            color="#777777",
        )
        figure.legend(handles=_handles(summary), loc="outside right upper", fontsize=6)
        save_figure(path, figure, "png", dpi=dpi, metadata={"Software": None})


def _by_layer(axes: Axes, summary: pd.DataFrame, classifiers: Sequence[str]) -> None:
    count = summary.images_per_class.max()
    part = summary[summary.images_per_class == count]
    names = list(dict.fromkeys(part.layer[part.network == "trained"]))
    for name in classifiers:
        for network, more in (("trained", {}), ("random", {"linestyle": "--", "alpha": 0.6})):
            line = part[(part.classifier == name) & (part.network == network)]
            label = NAMES[name] + (", random weights" if network == "random" else "")
            if len(line):
                places = [names.index(layer) for layer in line.layer]
                _curve(axes, places, line, COLOURS[name], label=label, **more)
    long = max(map(len, names)) > LONG  # then the legend says which is which
    axes.set_xticks(range(len(names)), range(1, len(names) + 1) if long else names)
    axes.set(title=f"by layer, {count} images a class")
    axes.legend(fontsize=5, loc="lower left", bbox_to_anchor=(0, 0.1), labelspacing=0.2)


def _by_count(axes: Axes, summary: pd.DataFrame, classifier: str) -> None:
    part = summary[(summary.classifier == classifier) & (summary.network == "trained")]
    for layer, colour in _shades(summary).items():
        line = part[part.layer == layer]
        _curve(axes, line.images_per_class, line, colour)
    line = summary[summary.network == "scratch"]
    _curve(axes, line.images_per_class, line, SCRATCH, linestyle="-.")
    counts = sorted(set(part.images_per_class))
    axes.set(title=NAMES[classifier], xlabel="images a class", xticks=counts, xlim=(0, counts[-1] * 1.08))


def _curve(axes: Axes, places: Sequence[float], line: pd.DataFrame, colour, **more) -> None:
    """Draw means with their deviations; stars are the paper's numbers, where it has any."""
    style = {"marker": "o", "markersize": 2.5, "capsize": 2, "elinewidth": 0.8} | more
    axes.errorbar(places, line["mean"], line.deviation.fillna(0), color=colour, **style)
    points = [(place, value) for place, value in zip(places, line.paper, strict=True) if not pd.isna(value)]
    if points:
        axes.plot(
            *zip(*points, strict=True), "*", color=colour, markersize=7, markeredgecolor="white", markeredgewidth=0.4
        )


def _shades(summary: pd.DataFrame) -> dict[str, tuple]:
    """Return a colour for each layer, darker with depth."""
    names = list(dict.fromkeys(summary.layer[summary.network == "trained"]))
    scale = matplotlib.colormaps["viridis_r"]
    return {name: scale(0.15 + 0.8 * place / max(1, len(names) - 1)) for place, name in enumerate(names)}


def _handles(summary: pd.DataFrame) -> list[Line2D]:
    """Return what the legend of the curves by n shows: layers, training from scratch, the paper."""
    shades = _shades(summary)
    long = max(map(len, shades)) > LONG
    handles = [
        Line2D([], [], color=colour, marker="o", markersize=2.5, label=f"{place} {name}" if long else name)
        for place, (name, colour) in enumerate(shades.items(), start=1)
    ]
    if (summary.network == "scratch").any():
        handles.append(Line2D([], [], color=SCRATCH, linestyle="-.", marker="o", markersize=2.5, label="from scratch"))
    if summary.paper.notna().any():
        handles.append(Line2D([], [], color="#777777", linestyle="", marker="*", label="the paper"))
    return handles
