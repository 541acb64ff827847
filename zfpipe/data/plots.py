"""Plots of a data set as SVG text to stand in a page: colours come from the page's style, so dark and print work."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

from zfpipe.data.names import printable

STEPS = 8  # of size, an octave
MOST_NAMED, LONGEST_NAME = 20, 20  # classes whose bars have names, and letters of one
MOST_EXACT = 100  # sizes that are told exactly; of more, those near each other are gathered


def sizes_of(sizes: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return [width, height, images] for the sizes that occur; many are gathered in steps of an eighth of an octave."""
    exact = Counter(sizes)
    if len(exact) <= MOST_EXACT:
        return [[width, height, count] for (width, height), count in sorted(exact.items())]
    sizes = exact.elements()
    steps = Counter((_step(width), _step(height)) for width, height in sizes)
    return [[round(2 ** (w / STEPS)), round(2 ** (h / STEPS)), count] for (w, h), count in sorted(steps.items())]


def size_plot(sizes: Sequence[Sequence[int]]) -> str:
    """Draw width against height on doubling axes; a dot's area tells how many images have that size."""
    if not sizes:
        return ""
    values = [math.log2(side) for width, height, _ in sizes for side in (width, height)]
    low, high = math.floor(min(values)), math.floor(max(values)) + 1
    left, side, top = 46, 260, 8
    most = max(count for *_, count in sizes)

    def at(value: float) -> float:
        return side * (value - low) / (high - low)

    parts = [f'<svg class="plot" viewBox="0 0 {left + side + 16} {top + side + 40}" role="img">']
    parts.append("<title>Width and height of the images</title>")
    for octave in range(low, high + 1):
        x, y = left + at(octave), top + side - at(octave)
        parts.append(f'<path class="grid" d="M{x:.1f} {top}V{top + side}M{left} {y:.1f}H{left + side}"/>')
        parts.append(f'<text x="{x:.1f}" y="{top + side + 15}" text-anchor="middle">{2**octave}</text>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{2**octave}</text>')
    parts.append(f'<path class="grid" stroke-dasharray="3 3" d="M{left} {top + side}L{left + side} {top}"/>')
    for width, height, count in sizes:
        x, y = left + at(math.log2(width)), top + side - at(math.log2(height))
        radius = 2 + 9 * math.sqrt(count / most)
        hint = f"<title>{width} x {height}: {count}</title>"
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}">{hint}</circle>')
    parts.append(f'<text x="{left + side / 2}" y="{top + side + 33}" text-anchor="middle">width, pixels</text>')
    middle = top + side / 2
    parts.append(f'<text transform="translate(11 {middle})rotate(-90)" text-anchor="middle">height, pixels</text>')
    return "".join(parts) + "</svg>"


def class_plot(classes: Sequence[dict]) -> str:
    """Draw the images of each class, the largest first: train below, val on top."""
    if not classes:
        return ""
    ordered = sorted(classes, key=lambda row: (-row["train"] - row["val"], row["name"]))
    most = max(1, ordered[0]["train"] + ordered[0]["val"])
    left, width, height, top = 46, 260, 260, 8
    step = width / len(ordered)
    gap = 0.2 * step if len(ordered) <= 60 else 0
    names = [printable(row["name"]) for row in ordered] if len(ordered) <= MOST_NAMED else []
    short = [
        name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "\N{HORIZONTAL ELLIPSIS}" for name in names
    ]
    foot = top + height + 18 + (8 + round(6.2 * max(map(len, short))) if names else 15)
    parts = [f'<svg class="plot" viewBox="0 0 {left + width + 16} {foot + 7}" role="img">']
    parts.append("<title>Images of each class, the largest first</title>")
    for value in _ticks(most):
        y = top + height * (1 - value / most)
        parts.append(f'<path class="grid" d="M{left} {y:.1f}H{left + width}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{value}</text>')
    for place, row in enumerate(ordered):
        below, middle = top + height, left + (place + 0.5) * step
        for split in ("train", "val"):
            tall = height * row[split] / most
            below -= tall
            box = f'x="{left + place * step + gap / 2:.2f}" y="{below:.2f}" width="{step - gap:.2f}"'
            hint = f"<title>{escape(printable(row['name']))}, {split}: {row[split]}</title>"
            parts.append(f'<rect class="{split}" {box} height="{tall:.2f}">{hint}</rect>')
        if names:
            turned = f'transform="translate({middle + 4:.1f} {top + height + 6})rotate(-90)"'
            parts.append(f'<text {turned} text-anchor="end">{escape(short[place])}</text>')
    parts.append(f'<text x="{left + width / 2}" y="{foot}" text-anchor="middle">classes, the largest first</text>')
    parts.append(f'<text transform="translate(11 {top + height / 2})rotate(-90)" text-anchor="middle">images</text>')
    return "".join(parts) + "</svg>"


def _step(side: int) -> int:
    return round(STEPS * math.log2(side))


def _ticks(most: int) -> list[int]:
    """Return about four round numbers from 0 to `most`."""
    rough = most / 4
    unit = 10 ** math.floor(math.log10(rough)) if rough >= 1 else 1
    step = max(1, next(int(unit * factor) for factor in (1, 2, 5, 10) if unit * factor >= rough))
    return list(range(0, most + 1, step))
