"""What stands above and below the pictures of a page: title and details, and the small print."""

from dataclasses import dataclass

from zfpipe.pictures.pages import POINTS, Words, wrap

# Points of type.
TITLE_SIZE, DETAIL_SIZE, NOTE_SIZE = 10, 7.5, 6
LINE = 1.45  # of the type's size

TIMES = "\N{MULTIPLICATION SIGN}"

Lines = list[tuple[str, float, str]]  # a line, its size, its weight


@dataclass(frozen=True)
class Text:
    """What a figure says: a `title`, the `details` beneath it, the small print (`notes`) at its foot."""

    title: str
    details: str
    notes: str


def seen(field: tuple[int, int], image: tuple[int, int]) -> str:
    """Say how much of an image a unit with this receptive field sees: what lies past the border is not seen."""
    sides = list(zip(field, image, strict=True))
    covers = all(side >= limit for side, limit in sides)
    size = f" {TIMES} ".join(str(side if covers else min(side, limit)) for side, limit in sides)
    if covers:  # one that is larger reaches past the border from wherever it is centred, and need not see all
        return f"the whole image, {size} px" if tuple(field) == tuple(image) else f"{size} px, more than the image has"
    return f"{size} px"


class Prose:
    """A text broken into lines of so many `inches`. `above` and `below` are their heights in pixels of the page."""

    def __init__(self, text: Text, inches: float, per_inch: float):
        self._per_inch = per_inch
        self._above: Lines = [(line, TITLE_SIZE, "bold") for line in wrap(text.title, inches, 1.1 * TITLE_SIZE)]
        self._above += [(line, DETAIL_SIZE, "normal") for line in wrap(text.details, inches, DETAIL_SIZE)]
        self._below: Lines = [(line, NOTE_SIZE, "normal") for line in wrap(text.notes, inches, NOTE_SIZE)]
        self.above, self.below = self._height(self._above), self._height(self._below)

    def words(self, left: float, top: float, foot: float) -> list[Words]:
        """Return title and details from `top` on, and the small print from `foot` on, in pixels of the page."""
        return [*self._words(self._above, left, top, "#222222"), *self._words(self._below, left, foot, "#666666")]

    def _words(self, lines: Lines, left: float, top: float, colour: str) -> list[Words]:
        words = []
        for line, size, weight in lines:
            step = LINE * size / POINTS * self._per_inch
            words.append(Words(line, left, top + step / 2, size, "left", weight, colour))
            top += step
        return words

    def _height(self, lines: Lines) -> int:
        return round(sum(LINE * size for _, size, _ in lines) / POINTS * self._per_inch)
