"""Filters and projections in rows: what lies past the border of the image is hatched at the size it is drawn at."""

import numpy as np
import pytest

from zfpipe.pictures import filter_rows
from zfpipe.pictures.crops import fit_tile
from zfpipe.pictures.filter_rows import FilterRow, Projection

GREY = np.full((9, 9, 3), 100, np.uint8)


@pytest.mark.parametrize(("box", "hatched"), [((-2, 0, 7, 9), True), ((0, 0, 9, 9), False)])
def test_hatching_is_of_the_pages_pixels_and_is_said_where_it_is(monkeypatch, box, hatched):
    pages = []
    monkeypatch.setattr(filter_rows, "save_page", lambda path, page, kind: pages.append(page))
    filters = np.random.default_rng(0).normal(size=(4, 7, 7, 3))
    row = FilterRow("one", filters, "conv1", [Projection(GREY, np.array(box), (20, 20))], "conv2")
    filter_rows.draw_filter_rows("f.png", [row], 150)
    page = pages[0]
    tops, lefts = np.nonzero((page.pixels == GREY[0, 0]).all(axis=-1))
    side = np.ptp(lefts) + 1
    assert side > 5 * len(GREY)
    tile = page.pixels[tops.max() + 1 - side : tops.max() + 1, lefts.min() : lefts.max() + 1]
    assert np.array_equal(tile, fit_tile(GREY, (side, side), box, (20, 20)))
    assert any("Hatched" in line.text for line in page.words) == hatched
