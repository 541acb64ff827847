"""A page of pixels with words and thin outlines on it."""

import re
import textwrap
from dataclasses import dataclass, field

import numpy as np

POINTS = 72  # an inch
TOGETHER = re.compile(r"(?<=\d) (?=%|px\b|\N{MULTIPLICATION SIGN})|(?<=\N{MULTIPLICATION SIGN}) ")


@dataclass(frozen=True)
class Words:
    """A line of text: (x, y), in pixels of the page, is its end that `align` names, at half its height."""

    text: str
    x: float
    y: float
    size: float = 6.5
    align: str = "left"
    weight: str = "normal"
    colour: str = "#222222"
    on_picture: bool = False  # with a dark rim, to be read on any background


@dataclass(frozen=True)
class Outline:
    """A thin rectangle in pixels of the page, seen on any background."""

    top: float
    left: float
    bottom: float
    right: float
    colour: str = "#ffd23f"


@dataclass
class Page:
    """`pixels` (H, W, 3) uint8, at `per_inch` pixels an inch, and what is written and outlined on it."""

    pixels: np.ndarray
    per_inch: float
    words: list[Words] = field(default_factory=list)
    outlines: list[Outline] = field(default_factory=list)


def wrap(text: str, width: float, size: float) -> list[str]:
    """Return `text` as lines that fit `width` inches at `size` points (0.62 of it a letter: DejaVu Sans)."""
    text = together(text)
    letters = max(12, int(width * POINTS / (0.62 * size)))
    return [line for part in text.split("\n") for line in textwrap.wrap(part, letters)]


def together(text: str) -> str:
    """Return `text` with spaces at which no line breaks between a number and its unit, and the sides of a size."""
    return TOGETHER.sub("\N{NO-BREAK SPACE}", text)


def number(value: float) -> str:
    """Return three digits of a number, without an exponent where it can be read without."""
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.2e}"
    digits = 0 if value == 0 else max(0, 2 - int(np.floor(np.log10(abs(value)))))
    return f"{value:.{digits}f}"
