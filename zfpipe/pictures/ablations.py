"""Errors of several architectures, a row each (paper, table 3)."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from zfpipe.pictures.saving import in_style, save_figure

SHOWN = (("train_top1_error", "training, top-1", "#0072b2"), ("val_top1_error", "validation, top-1", "#d55e00"))
TOP5 = "val_top5_error"
SHOWN += ((TOP5, "validation, top-5", "#e69f00"),)


def draw_ablation(path: str | Path, rows: Sequence[dict], dpi: int = 150) -> None:
    """Draw the errors into a PNG; the same rows give the same bytes.

    Each row has `run`, `changes`, `parameters`, and errors in percent by the names in SHOWN, or None.
    """
    with in_style():
        figure = Figure(figsize=(7.2, 1.1 + 0.34 * len(rows)), layout="constrained")
        axes = figure.subplots()
        places = range(len(rows))
        for place in places:
            axes.axhline(place, color="#e5e5e5", linewidth=0.6, zorder=0)
        for key, label, colour in SHOWN:
            points = [(row[key], place) for place, row in enumerate(rows) if row[key] is not None]
            says_nothing = key == TOP5 and not any(error for error, _ in points)  # of five classes or fewer
            if points and not says_nothing:
                axes.plot(*zip(*points, strict=True), "o", color=colour, markersize=5, label=label)
        labels = [f"{row['run']}: {row['changes']}\n{row['parameters'] / 1e6:.1f} million parameters" for row in rows]
        axes.set_yticks(places, labels)
        axes.set(xlim=(0, 100), ylim=(len(rows) - 0.5, -0.5), xlabel="error, percent")
        axes.legend(fontsize=6, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
        save_figure(path, figure, "png", dpi=dpi, metadata={"Software": None})
