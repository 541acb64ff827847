"""Sprite sheets: many small pictures in few files, laid out so that a page knows where each one lies.

A sheet is a grid of blocks, one block a unit, and a block is a grid of cells, one cell an entry. Cells are as far apart
as JPEG's blocks of 8 pixels want it, so that no cell bleeds into its neighbour.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zfpipe.site.pixels import encoded

PIXELS = 1_000_000  # of a sheet, about: it loads at once, and a page rarely needs all of a layer's
JPEG_BLOCK = 16  # with colour at half resolution


@dataclass
class Sheets:
    """Writes cells (h, w, 3) of one size into files `{stem}-{number}.jpg`, or .png if `lossless`, of `folder`.

    `columns` x `rows` cells are a block. `layout()` is what a page needs to find a cell.
    """

    folder: Path
    stem: str
    cell: tuple[int, int]
    columns: int
    rows: int
    lossless: bool = False
    pixels: int = PIXELS  # of a sheet, about
    count: int = 0  # blocks that came
    _open: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        step = 1 if self.lossless else JPEG_BLOCK
        self.stride = tuple(-(-side // step) * step for side in self.cell)
        height, width = self.stride[0] * self.rows, self.stride[1] * self.columns
        blocks = max(1, self.pixels // (height * width))
        self.across = max(1, min(blocks, round((blocks * height / width) ** 0.5)))
        self.down = max(1, blocks // self.across)

    def add(self, cells: np.ndarray) -> None:
        """Take the next block: cells (n, h, w, 3) uint8, in reading order; places of a shorter block stay grey."""
        place = self.count % (self.across * self.down)
        if place == 0:
            self.flush()
            size = self.down * self.rows * self.stride[0], self.across * self.columns * self.stride[1]
            self._open = np.full((*size, 3), 128, np.uint8)
        for number, cell in enumerate(cells):
            row = place // self.across * self.rows + number // self.columns
            column = place % self.across * self.columns + number % self.columns
            top, left = row * self.stride[0], column * self.stride[1]
            area = self._open[top : top + self.stride[0], left : left + self.stride[1]]
            height, width = self.cell
            area[:height, :width] = cell
            area[height:, :width] = cell[-1:]  # its border goes on, up to the next cell
            area[:, width:] = area[:, width - 1 : width]
        self.count += 1

    def flush(self) -> None:
        """Write the sheet that is begun, cut to what is in it."""
        if self._open is None:
            return
        number = (self.count - 1) // (self.across * self.down)
        filled = self.count - number * self.across * self.down
        used = -(-filled // self.across) * self.rows * self.stride[0]
        wide = min(filled, self.across) * self.columns * self.stride[1]
        picture = Image.fromarray(self._open[:used, :wide])
        (self.folder / f"{self.stem}-{number}.{self.kind}").write_bytes(encoded(picture, self.lossless))
        self._open = None

    @property
    def kind(self) -> str:
        """The ending of the files' names."""
        return "png" if self.lossless else "jpg"

    def layout(self) -> dict[str, Any]:
        """Return where cells lie: names of files, and sizes in pixels (down, across)."""
        return {
            "stem": f"{self.folder.name}/{self.stem}",
            "kind": self.kind,
            "cell": list(self.cell),
            "stride": list(self.stride),
            "block": [self.rows, self.columns],
            "blocks": [self.down, self.across],
        }


def fitting(cell: tuple[int, int], count: int, pixels: int, largest: int | None = None) -> tuple[int, int]:
    """Return the size (h, w) at which `count` cells are kept: their own, or less where all would pass `pixels`.

    No side is longer than `largest`, if that is given, nor shorter than 1.
    """
    scale = min(1.0, (pixels / max(1, count * cell[0] * cell[1])) ** 0.5, (largest or max(cell)) / max(cell))
    height, width = (max(1, int(side * scale + 1e-9)) for side in cell)
    return height, width
