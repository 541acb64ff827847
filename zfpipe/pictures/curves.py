"""Training curves: loss, accuracy and learning rate against epochs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zfpipe.pictures.axes import wide
from zfpipe.pictures.saving import in_style, save_figure

TRAIN, VAL = "#0072b2", "#d55e00"


def draw_curves(
    path: str | Path,
    rows: Sequence[Mapping[str, float]],
    title: str = "",
    without: str = "the weights were given as they are",
) -> None:
    """Draw one row of metrics an epoch as panels into a PNG; the same rows give the same bytes.

    `without` says why there are no rows, where there are none.
    """
    with in_style():
        panels = [_draw_loss, _draw_accuracy] if rows else []
        if any("learning_rate" in row for row in rows):  # weights taken as they are had none
            panels.append(_draw_rate)
        figure = Figure(figsize=(10, 3 if panels else 0.6), layout="constrained")
        for number, draw in enumerate(panels, 1):
            draw(figure.add_subplot(1, len(panels), number), rows)
        figure.suptitle(title if rows else f"{title} (no metrics: {without})")
        save_figure(path, figure, "png", dpi=150, metadata={"Software": None})


def epoch_ticks(first: int, last: int) -> list[int]:
    """Return the first and the last epoch, and a few round ones between them."""
    steps = (factor * 10**power for power in range(12) for factor in (1, 2, 5))
    step = next(step for step in steps if last - first <= 7 * step)
    between = [epoch for epoch in range(0, last, step) if min(epoch - first, last - epoch) > 0.6 * step]
    return sorted({first, *between, last})


def _draw_loss(axes: Axes, rows: Sequence[Mapping[str, float]]) -> None:
    _line(axes, rows, "train_loss", "training", TRAIN)
    _line(axes, rows, "val_loss", "validation", VAL)
    if wide([value for line in axes.lines for value in line.get_ydata()]):
        axes.set_yscale("log")
    _finish(axes, "cross-entropy (nats)")


def _draw_accuracy(axes: Axes, rows: Sequence[Mapping[str, float]]) -> None:
    few = all(row.get(key, 1) == 1 for row in rows for key in ("train_top5", "val_top5"))  # five classes or fewer
    for top, style, alpha in ((1, "-", 1.0), (5, ":", 0.55)):
        if top == 5 and few:
            continue
        _line(axes, rows, f"train_top{top}", f"training, top-{top}", TRAIN, style, alpha)
        _line(axes, rows, f"val_top{top}", f"validation, top-{top}", VAL, style, alpha)
    axes.set_ylim(0, 1.02)
    _finish(axes, "fraction right")


def _draw_rate(axes: Axes, rows: Sequence[Mapping[str, float]]) -> None:
    axes.set_yscale("log")
    _line(axes, rows, "learning_rate", "learning rate", "0.2")
    _finish(axes, "learning rate")


def _line(axes: Axes, rows, column: str, label: str, colour: str, style: str = "-", alpha: float = 1.0) -> None:
    points = [(row["epoch"], row[column]) for row in rows if column in row]
    if points:
        # A marker, so that a single epoch can be seen too.
        axes.plot(*zip(*points, strict=True), style, marker=".", color=colour, alpha=alpha, label=label)


def _finish(axes: Axes, what: str) -> None:
    axes.set_xlabel("epoch")
    axes.set_ylabel(what)
    epochs = sorted({epoch for line in axes.lines for epoch in line.get_xdata()})
    if epochs:
        room = 0.04 * (epochs[-1] - epochs[0]) or 0.5
        axes.set(xlim=(epochs[0] - room, epochs[-1] + room), xticks=epoch_ticks(int(epochs[0]), int(epochs[-1])))
    if any(line.get_label() != what for line in axes.lines):
        axes.legend(fontsize="small", handlelength=3)
