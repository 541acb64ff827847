"""Tiles to blocks, blocks to pairs, pairs to a page: arrays in, arrays out, nothing drawn."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

PAPER = 255  # the page
LINE = 205  # between and around the tiles of a block: a white patch ends there too
BLANK = 240  # the place of an entry that is not there: a dead unit, or fewer images than K
GAP = 0.035  # between the tiles of a block, as a part of a tile's longer side


def block_shape(k: int) -> tuple[int, int]:
    """Return (rows, columns) of the block nearest a square that holds `k` tiles: 9 -> 3 x 3."""
    columns = math.ceil(math.sqrt(k))
    return math.ceil(k / columns), columns


def gap_of(tile: tuple[int, int]) -> int:
    """Return the gap in pixels between tiles of this size."""
    return max(1, round(GAP * max(tile)))


def edge_of(tile: tuple[int, int]) -> int:
    """Return the width in pixels of the line around a block of tiles of this size."""
    return max(1, gap_of(tile) // 3)


def block_size(k: int, tile: tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) in pixels of a block of `k` tiles of size (th, tw)."""
    gap, edge = gap_of(tile), edge_of(tile)
    shape = block_shape(k)
    down, across = (n * side + (n - 1) * gap + 2 * edge for n, side in zip(shape, tile, strict=True))
    return down, across


def block(tiles: Sequence[np.ndarray | None], tile: tuple[int, int]) -> np.ndarray:
    """Return one image of a unit's tiles, each (th, tw, 3) uint8, in reading order; None is drawn blank."""
    page = np.full((*block_size(len(tiles), tile), 3), LINE, np.uint8)
    _, columns = block_shape(len(tiles))
    gap, edge = gap_of(tile), edge_of(tile)
    for rank, picture in enumerate(tiles):
        row, column = divmod(rank, columns)
        top, left = edge + row * (tile[0] + gap), edge + column * (tile[1] + gap)
        page[top : top + tile[0], left : left + tile[1]] = BLANK if picture is None else picture
    return page


def beside(left: np.ndarray, right: np.ndarray, gap: int) -> np.ndarray:
    """Return two blocks of one size side by side, `gap` pixels of page between them."""
    between = np.full((left.shape[0], gap, 3), PAPER, np.uint8)
    return np.concatenate([left, between, right], axis=1)


def columns_for(count: int, aspect: float, wanted: float = 1.3, leftover: float = 4.0) -> int:
    """Return how many columns make the best page for `count` cells of width / height `aspect`.

    Best is near `wanted` in width / height, with few places empty in the last row.
    """

    def cost(columns: int) -> float:
        rows = math.ceil(count / columns)
        empty = 1 - count / (rows * columns)
        return abs(math.log(columns * aspect / rows / wanted)) + leftover * empty

    return min(range(1, count + 1), key=cost)


@dataclass(frozen=True)
class Grid:
    """Where `count` cells of one size stand on a page, in reading order; all in pixels.

    `top`, `left` is the corner of the first cell, `gap` (down, across) the room between cells: labels stand
    in it.
    """

    count: int
    columns: int
    cell: tuple[int, int]
    gap: tuple[int, int]
    top: int = 0
    left: int = 0

    @property
    def rows(self) -> int:
        """Rows of cells."""
        return math.ceil(self.count / self.columns)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of all cells together, without a gap around them."""
        shape = (self.rows, self.columns)
        down, across = (n * side + (n - 1) * gap for n, side, gap in zip(shape, self.cell, self.gap, strict=True))
        return down, across

    def corner(self, position: int) -> tuple[int, int]:
        """(top, left) of a cell."""
        row, column = divmod(position, self.columns)
        return self.top + row * (self.cell[0] + self.gap[0]), self.left + column * (self.cell[1] + self.gap[1])


def paint(page: np.ndarray, grid: Grid, cells: Iterable[np.ndarray]) -> None:
    """Put pictures, each of the grid's cell size, onto a page (H, W, 3) uint8, in place."""
    for position, picture in enumerate(cells):
        top, left = grid.corner(position)
        page[top : top + grid.cell[0], left : left + grid.cell[1]] = picture


def blank_page(height: int, width: int) -> np.ndarray:
    """Return an empty page (height, width, 3) uint8."""
    return np.full((height, width, 3), PAPER, np.uint8)
