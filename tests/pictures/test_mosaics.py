"""Every tile stands where it should: arrays alone, nothing is drawn."""

import numpy as np
import pytest

from zfpipe.pictures.mosaics import (
    BLANK,
    LINE,
    PAPER,
    Grid,
    beside,
    blank_page,
    block,
    block_shape,
    block_size,
    columns_for,
    gap_of,
    paint,
)


def tiles(k, size=(20, 30)):
    return [np.full((*size, 3), rank + 1, np.uint8) for rank in range(k)]


def test_nine_tiles_make_three_rows_strongest_first():
    page, gap = block(tiles(9), (20, 30)), gap_of((20, 30))
    assert gap == 1
    assert page.shape == (64, 94, 3)
    for rank in range(9):
        row, column = divmod(rank, 3)
        top, left = 1 + row * 21, 1 + column * 31
        assert (page[top : top + 20, left : left + 30] == rank + 1).all()
    for line in (0, 21, 42, 63):
        assert (page[line] == LINE).all()
    for line in (0, 31, 62, 93):
        assert (page[:, line] == LINE).all()


@pytest.mark.parametrize(
    ("k", "shape"), [(1, (1, 1)), (2, (1, 2)), (3, (2, 2)), (4, (2, 2)), (5, (2, 3)), (9, (3, 3)), (16, (4, 4))]
)
def test_any_k_makes_the_nearest_square(k, shape):
    assert block_shape(k) == shape
    assert block(tiles(k), (20, 30)).shape[:2] == block_size(k, (20, 30))


def test_missing_entries_are_blank_and_a_dead_unit_is_blank_all_over():
    some = block([*tiles(2), None, None], (20, 30))
    assert (some[22:-1, 1:31] == BLANK).all()
    dead = block([None] * 9, (20, 30))
    assert set(np.unique(dead)) == {BLANK, LINE}
    assert 128 not in dead  # never mid-grey, which would say 'projected, and nothing there'


def test_a_pair_stands_side_by_side():
    left, right = block(tiles(4), (20, 30)), block([None] * 4, (20, 30))
    pair = beside(left, right, 7)
    assert np.array_equal(pair[:, : left.shape[1]], left)
    assert np.array_equal(pair[:, -right.shape[1] :], right)
    assert (pair[:, left.shape[1] : -right.shape[1]] == PAPER).all()


def test_cells_go_to_their_places_on_the_page():
    grid = Grid(count=5, columns=2, cell=(4, 6), gap=(3, 2), top=10, left=1)
    assert grid.size == (18, 14)
    page = blank_page(30, 20)
    paint(page, grid, [np.full((4, 6, 3), n, np.uint8) for n in range(5)])
    for n, (top, left) in enumerate([(10, 1), (10, 9), (17, 1), (17, 9), (24, 1)]):
        assert grid.corner(n) == (top, left)
        assert (page[top : top + 4, left : left + 6] == n).all()
    assert (page != PAPER).any(axis=2).sum() == 5 * 24


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 1), (10, 2), (12, 3), (16, 4), (40, 5)])
def test_pages_are_well_proportioned(count, columns):
    assert columns_for(count, aspect=1.85) == columns
