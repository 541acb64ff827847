"""Columns of points: the median's mark hides none of them."""

import numpy as np
from matplotlib.figure import Figure

from zfpipe.pictures.strips import points


def test_the_median_is_marked_beside_the_points():
    axes = Figure().subplots()
    points(axes, {"conv1": np.array([0.5] * 40 + [0.1, 0.9, np.nan]), "conv2": np.array([])})
    dots, *marks = axes.lines
    assert len(dots.get_xdata()) == 42
    first, last = min(dots.get_xdata()), max(dots.get_xdata())
    assert len(marks) == 2
    for mark in marks:
        assert list(mark.get_ydata()) == [0.5, 0.5]
        assert max(mark.get_xdata()) < first or min(mark.get_xdata()) > last
