"""The default data set: tiles of the real photographs that arrive inside scikit-image and scikit-learn.

A photograph is divided into 3 x 3 cells, and a cell into three bands: train, val, train. Train and val tiles of one
class thus come from neighbouring yet disjoint pixels, and validation accuracy means something in each cell.
"""

import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from zfpipe.data.decode import read_rgb
from zfpipe.errors import UserError

# name -> the package whose wheel holds it, and where
PHOTOGRAPHS = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "chelsea": ("skimage", "data/chelsea.png"),
    "china": ("sklearn", "datasets/images/china.jpg"),
    "coffee": ("skimage", "data/coffee.png"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "hubble": ("skimage", "data/hubble_deep_field.jpg"),
    "immunohistochemistry": ("skimage", "data/ihc.png"),
    "motorcycle": ("skimage", "data/motorcycle_left.png"),
    "retina": ("skimage", "data/retina.jpg"),
    "rocket": ("skimage", "data/rocket.jpg"),
}
CELLS = 3  # a side
LABELS = ("photograph", "cell")


@dataclass(frozen=True)
class Tile:
    """A square of one photograph: split, cell (row, column), and corner and side in the photograph's pixels."""

    split: str
    cell: tuple[int, int]
    top: int
    left: int
    side: int

    def class_name(self, photograph: str, labels: str) -> str:
        """Return the class: the photograph, or the photograph's cell ('coffee-0-2': first row, last column)."""
        return photograph if labels == "photograph" else f"{photograph}-{self.cell[0]}-{self.cell[1]}"


def locate(name: str) -> Path:
    """Return the path of a photograph inside the installed package (which is not imported).

    Raises UserError if the package or the file is not there.
    """
    package, inside = PHOTOGRAPHS[name]
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin).parent / inside if spec and spec.origin else None
    if path is None or not path.is_file():
        raise UserError(
            f"The photograph {name!r} should be {inside} of the Python package {package}, which has no such file "
            f"here; install {'scikit-image' if package == 'skimage' else 'scikit-learn'} from its wheel."
        )
    return path


def tiles(height: int, width: int, across: float, stride: float) -> Iterator[Tile]:
    """Yield the tiles of a photograph of height x width pixels; `across` of them would span its shorter side.

    `stride` is the least step between train tiles, as a part of their side. Val tiles do not overlap one another;
    train tiles overlap one another but no val tile.
    """
    side = int(min(height, width) / across)
    step = max(1, round(stride * side))
    for row, (top, bottom) in enumerate(_thirds(height)):
        upper, lower = _middle_band(top, bottom, side)
        for column, (left, right) in enumerate(_thirds(width)):
            cell = (row, column)
            for split, begin, end, apart in (
                ("train", top, upper, step),
                ("val", upper, lower, side),
                ("train", lower, bottom, step),
            ):
                for y in _spread(begin, end, side, apart):
                    for x in _spread(left, right, side, apart):
                        yield Tile(split, cell, y, x, side)


def cut(photograph: Image.Image, tile: Tile, size: int) -> Image.Image:
    """Return a tile as an image of size x size pixels (antialiased bicubic).

    It is cut out before it is resized, so that no pixel beyond its border has a part in it.
    """
    box = (tile.left, tile.top, tile.left + tile.side, tile.top + tile.side)
    return photograph.crop(box).resize((size, size), Image.Resampling.BICUBIC)


def contrast(image: Image.Image) -> float:
    """Return the standard deviation of the pixel values 0 to 255 about each channel's mean, over all channels."""
    values = np.asarray(image, np.float64)
    return float(np.sqrt(values.var(axis=(0, 1)).mean()))


def chosen(
    names: Iterable[str], labels: str, across: float, stride: float, least: float
) -> Iterator[tuple[str, Image.Image, Tile]]:
    """Yield (class name, photograph, tile) for the tiles of the named photographs whose contrast is at least `least`.

    A class that this leaves without tiles on one side is left out.
    """
    for name in names:
        photograph = read_rgb(locate(name))
        found: dict[str, list[Tile]] = {}
        for tile in tiles(photograph.height, photograph.width, across, stride):
            if contrast(cut(photograph, tile, tile.side)) >= least:
                found.setdefault(tile.class_name(name, labels), []).append(tile)
        for class_name, kept in found.items():
            if {tile.split for tile in kept} == {"train", "val"}:
                yield from ((class_name, photograph, tile) for tile in kept)


def _thirds(length: int) -> list[tuple[int, int]]:
    edges = [round(part * length / CELLS) for part in range(CELLS + 1)]
    return list(pairwise(edges))


def _middle_band(top: int, bottom: int, side: int) -> tuple[int, int]:
    """Return the rows of the val band: in the middle of the cell, whole tiles high, about a third of the cell."""
    band = side * max(1, (bottom - top) // (CELLS * side))
    upper = top + (bottom - top - band) // 2
    return upper, upper + band


def _spread(begin: int, end: int, side: int, step: int) -> list[int]:
    """Return as many places for a tile between begin and end as `step` allows, evenly spread from end to end."""
    room = end - begin - side
    count = 1 + room // step if room >= 0 else 0
    if count == 1:
        return [begin + room // 2]
    return [begin + (room * place) // (count - 1) for place in range(count)]
