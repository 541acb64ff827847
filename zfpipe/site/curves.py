"""Training curves as SVG text to stand in the page: colours come from its style, so light, dark and print work."""

from collections.abc import Mapping, Sequence
from html import escape
from math import floor, log10

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 460, 230, 46, 30, 10, 12


def curve_plot(rows: Sequence[Mapping[str, float]], lines: Mapping[str, str], title: str, percent: bool) -> str:
    """Draw columns of the metrics (one row an epoch) against epochs; `lines` maps a column to its words.

    A column that is nowhere measured is left out; '' if none is. The first line is drawn as training, the second as
    validation. `percent` says that values are parts of 1.
    """
    series = {
        words: [(row["epoch"], row[column]) for row in rows if column in row]
        for column, words in lines.items()
        if any(column in row for row in rows)
    }
    points = [point for line in series.values() for point in line]
    if not points:
        return ""
    first, last = min(epoch for epoch, _ in points), max(epoch for epoch, _ in points)
    top = 1.0 if percent else max(value for _, value in points) * 1.04 or 1.0
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(epoch: float, value: float) -> str:
        across = (epoch - first) / (last - first) if last > first else 0.5
        return f"{LEFT + across * wide:.1f} {TOP + high * (1 - value / top):.1f}"

    parts = [f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{escape(title)}</title>']
    for value in _ticks(top):
        y = TOP + high * (1 - value / top)
        label = f"{100 * value:.0f} %" if percent else f"{value:.3g}"
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{LEFT + wide}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for epoch in sorted({first, last}):
        x = at(epoch, 0).split()[0]
        parts.append(f'<text x="{x}" y="{HEIGHT - 12}" text-anchor="middle">{epoch:.0f}</text>')
    name = LEFT + wide / (2 if last > first else 4)  # one epoch stands in the middle itself
    parts.append(f'<text x="{name}" y="{HEIGHT - 12}" text-anchor="middle">epoch</text>')
    for words, line in series.items():
        kind = "train" if words == next(iter(lines.values())) else "val"
        parts.append(f'<path class="line {kind}" d="M{"L".join(at(*point) for point in line)}"/>')
        parts.append(f'<circle class="end {kind}" r="3.5" {_centre(at(*line[-1]))}/>')
    return "".join(parts) + "</svg>"


def _centre(place: str) -> str:
    x, y = place.split()
    return f'cx="{x}" cy="{y}"'


def _ticks(top: float) -> list[float]:
    """Return three to six round values from 0 up to `top`."""
    step = 10.0 ** floor(log10(top))
    for divisor in (5, 4, 2, 1):
        if top / (step / divisor) <= 5:
            step /= divisor
            break
    return [step * number for number in range(int(top / step + 1e-9) + 1)]
