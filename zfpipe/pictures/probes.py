"""Accuracy of linear classifiers by layer, and by images a class (paper, table 7 and figure 9)."""

from importlib.resources import files
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zfpipe.pictures.pages import STYLE
from zfpipe.pictures.saving import save_figure

COLOURS = {"svm": "#0072b2", "softmax": "#d55e00"}
NAMES = {"svm": "linear SVM", "softmax": "softmax"}
CONTROL = "#888888"


def draw_probe(path: str | Path, summary: pd.DataFrame, guess: float, title: str, dpi: int = 150) -> None:
    """Draw accuracies into a PNG; the same numbers give the same bytes.

    `summary` has columns network, layer, classifier, images_per_class, mean, deviation and paper, fractions or NaN;
    `guess` is what guessing gives.
    """
    classifiers = [name for name in COLOURS if name in set(summary.classifier[summary.network == "trained"])]
    with matplotlib.rc_context(fname=str(files("zfpipe.pictures") / STYLE)):
        figure = Figure(figsize=(2.9 * (1 + len(classifiers)), 2.9), layout="constrained")
        figure.suptitle(title, fontsize=9, x=0.01, ha="left", weight="bold")
        panels = figure.subplots(1, 1 + len(classifiers), sharey=True)
        _by_layer(panels[0], summary, classifiers)
        for axes, name in zip(panels[1:], classifiers, strict=True):
            _by_count(axes, summary, name)
        for axes in panels:
            axes.axhline(guess, color="#aaaaaa", linewidth=0.8, linestyle=":", zorder=0)
            axes.set_ylim(0, 1.02)
        panels[0].annotate(
            "guessing",
            (1, guess),
            (0, 2),
            xycoords=("axes fraction", "data"),
            ha="right",
            fontsize=6,
            color="#777777",
            textcoords="offset points",
        )
        panels[0].set_ylabel("accuracy, mean over classes")
        save_figure(path, figure, "png", dpi=dpi, metadata={"Software": None})


def _by_layer(axes: Axes, summary: pd.DataFrame, classifiers: list[str]) -> None:
    count = summary.images_per_class.max()
    part = summary[summary.images_per_class == count]
    names = list(dict.fromkeys(part.layer[part.network == "trained"]))
    for name in classifiers:
        for network, colour, style in (("trained", COLOURS[name], "-"), ("random", COLOURS[name], "--")):
            line = part[(part.classifier == name) & (part.network == network)]
            if len(line):
                label = NAMES[name] if network == "trained" else f"{NAMES[name]}, random weights"
                places = [names.index(layer) for layer in line.layer]
                axes.errorbar(
                    places,
                    line["mean"],
                    line.deviation.fillna(0),
                    color=colour,
                    linestyle=style,
                    marker="o",
                    markersize=3,
                    capsize=2,
                    elinewidth=0.8,
                    label=label,
                    alpha=1 if style == "-" else 0.6,
                )
                _papers(axes, places, line.paper, colour)
    axes.set_xticks(
        range(len(names)),
        names,
        rotation=30 if max(map(len, names)) > 5 else 0,
        ha="right" if max(map(len, names)) > 5 else "center",
    )
    axes.set(title=f"{count} images a class")
    axes.legend(fontsize=6)


def _by_count(axes: Axes, summary: pd.DataFrame, classifier: str) -> None:
    part = summary[(summary.classifier == classifier) & (summary.network == "trained")]
    names = list(dict.fromkeys(part.layer))
    shades = matplotlib.colormaps["viridis_r"]
    for place, layer in enumerate(names):
        line = part[part.layer == layer].sort_values("images_per_class")
        colour = shades(0.15 + 0.8 * place / max(1, len(names) - 1))
        axes.errorbar(
            line.images_per_class,
            line["mean"],
            line.deviation.fillna(0),
            color=colour,
            marker="o",
            markersize=3,
            capsize=2,
            elinewidth=0.8,
            label=layer,
        )
        _papers(axes, line.images_per_class, line.paper, colour)
    line = summary[summary.network == "scratch"].sort_values("images_per_class")
    if len(line):
        axes.errorbar(
            line.images_per_class,
            line["mean"],
            line.deviation.fillna(0),
            color="#222222",
            marker="s",
            markersize=3,
            capsize=2,
            elinewidth=0.8,
            label="from scratch",
        )
        _papers(axes, line.images_per_class, line.paper, "#222222")
    axes.set(
        title=NAMES[classifier], xlabel="images a class", xticks=sorted(set(part.images_per_class)), xlim=(0, None)
    )
    axes.legend(fontsize=6)


def _papers(axes: Axes, places, values: pd.Series, colour) -> None:
    """Mark the paper's numbers, where it has any, with stars."""
    points = [(place, value) for place, value in zip(places, values, strict=True) if not pd.isna(value)]
    if points:
        axes.plot(
            *zip(*points, strict=True),
            "*",
            color=colour,
            markersize=7,
            markeredgecolor="white",
            markeredgewidth=0.4,
            label="_paper",
        )
