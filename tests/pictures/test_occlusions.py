"""The panels of an occlusion experiment say what the numbers say."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from zfpipe.pictures import occlusions


def first_panel(monkeypatch, probability):
    """Return the heading of the image's panel, and the corners of the squares in it."""
    kept = []
    monkeypatch.setattr(occlusions, "save_figure", lambda path, figure, *_, **__: kept.append(figure))
    image, starts = np.zeros((40, 40, 3), np.uint8), np.array([0, 10, 20])
    words = {"title": "t", "label": "a", "unit": "conv1 unit 0"}
    places = (starts, starts, 20, np.ones((3, 3)), probability, 0.9, [["a"] * 3] * 3)
    occlusions.draw_occlusion("o.png", image, [image], *places, words)
    axes = kept[0].axes[0]
    return axes.get_title(), [shape.get_xy() for shape in axes.patches if isinstance(shape, Rectangle)]


def test_the_square_stands_where_it_harms_most(monkeypatch):
    probability = np.full((3, 3), 0.9)
    probability[1, 2] = 0.5
    assert first_panel(monkeypatch, probability) == ("(a) image, square where it harms most", [(19.5, 9.5)])


@pytest.mark.parametrize("probability", [0.9, 0.9 - 1e-6, 0.95])
def test_no_square_is_drawn_where_none_harms(monkeypatch, probability):
    assert first_panel(monkeypatch, np.full((3, 3), probability)) == ("(a) image; no square lowers (d)", [])
