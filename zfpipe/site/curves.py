"""Training curves as SVG text to stand in the page: colours come from its style, so light, dark and print work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from zfpipe.pictures.axes import wide

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
    axis = _axis([value for _, value in points], percent)
    across_px, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(epoch: float, value: float) -> str:
        across = (epoch - first) / (last - first) if last > first else 0.5
        return f"{LEFT + across * across_px:.1f} {TOP + high * (1 - axis.place(value)):.1f}"

    parts = [f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{escape(title)}</title>']
    for value in axis.ticks:
        y = TOP + high * (1 - axis.place(value))
        label = f"{100 * value:.0f} %" if percent else f"{value:g}"
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{LEFT + across_px}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for epoch in sorted({first, last}):
        x, words = at(epoch, points[0][1]).split()[0], f"{epoch:.0f}" if last > first else f"epoch {epoch:.0f}"
        parts.append(f'<text x="{x}" y="{HEIGHT - 12}" text-anchor="middle">{words}</text>')
    if last > first:
        parts.append(f'<text x="{LEFT + across_px / 2}" y="{HEIGHT - 12}" text-anchor="middle">epoch</text>')
    for words, line in series.items():
        kind = "train" if words == next(iter(lines.values())) else "val"
        parts.append(f'<path class="line {kind}" d="M{"L".join(at(*point) for point in line)}"/>')
        parts.append(f'<circle class="end {kind}" r="3.5" {_centre(at(*line[-1]))}/>')
    return "".join(parts) + "</svg>"


def _centre(place: str) -> str:
    x, y = place.split()
    return f'cx="{x}" cy="{y}"'


@dataclass(frozen=True)
class _Axis:
    """The values from `low` to `high`, with `ticks` at round ones."""

    low: float
    high: float
    ticks: list[float]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Return where a value stands: 0 at the foot, 1 at the top."""
        low, value, high = (log10(each) if self.logarithmic else each for each in (self.low, value, self.high))
        return (value - low) / (high - low)


def _axis(values: Sequence[float], percent: bool) -> _Axis:
    if not percent and wide(values):
        first, last = floor(log10(min(values))), ceil(log10(max(values)))
        ticks = range(first, last + 1, ceil((last - first) / 5))
        return _Axis(10.0**first, 10.0**last, [10.0**power for power in ticks], logarithmic=True)
    top = 1.0 if percent else max(values) * 1.04 or 1.0
    return _Axis(0, top, _ticks(top))


def _ticks(top: float) -> list[float]:
    """Return three to six round values from 0 up to `top`."""
    step = 10.0 ** floor(log10(top))
    for divisor in (5, 4, 2, 1):
        if top / (step / divisor) <= 5:
            step /= divisor
            break
    return [step * number for number in range(int(top / step + 1e-9) + 1)]
