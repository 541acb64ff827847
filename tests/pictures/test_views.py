"""One image beside the projections of its strongest maps."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from zfpipe.pictures.saving import page_figure
from zfpipe.pictures.views import draw_view, view_page

IMAGE = np.random.default_rng(0).integers(0, 255, (60, 60, 3)).astype(np.uint8)


def maps(count):
    projections, labels = [], []
    for rank in range(count):
        box = (rank * 4 - 5, 10, rank * 4 + 15, 30)
        projection = np.zeros((60, 60, 3), np.float32)
        projection[max(box[0], 0) : box[2], 10:30] = rank + 1
        projections.append(projection)
        facts = {"rank": rank, "unit": 1000 + rank, "activation": 12345.6 / (rank + 1), "row": 100, "col": 101}
        labels.append(facts | {"box": box})
    return projections, labels


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9])
def test_no_text_meets_another_or_leaves_the_page(count):
    page = view_page(IMAGE, *maps(count), "conv4", "a run · a picture with a long name.jpg")
    figure = page_figure(page)
    renderer = FigureCanvasAgg(figure).get_renderer()
    written = [t for t in figure.axes[0].texts if not t.get_path_effects()]  # the ranks stand on the image
    boxes = [text.get_window_extent(renderer) for text in written]
    for index, box in enumerate(boxes):
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= figure.bbox.width
        assert box.y1 <= figure.bbox.height
        assert not any(box.overlaps(other) for other in boxes[index + 1 :]), written[index].get_text()


def test_projections_stand_in_rank_order_around_grey():
    page = view_page(IMAGE, *maps(3), "conv4")
    grey = (page.pixels == 128).all(axis=2)
    white = (page.pixels == 255).all(axis=2)
    assert grey.sum() > 3 * 4 * 60 * 60  # three frames, enlarged
    assert not (grey & white).any()
    units = [line.text for line in page.words if "unit" in line.text]
    assert units == ["1   unit 1000", "2   unit 1001", "3   unit 1002"]


def test_the_receptive_field_is_outlined_within_the_image():
    page = view_page(IMAGE, *maps(1), "conv4")
    on_projection, on_image = page.outlines
    zoom = (on_projection.right - on_projection.left) / 20
    assert on_projection.bottom - on_projection.top == pytest.approx(15 * zoom)  # 5 of 20 rows are past the border
    assert on_image.right < on_projection.left


def test_maps_that_share_a_field_share_an_outline():
    projections, labels = maps(3)
    for label in labels:
        label["box"] = (0, 0, 60, 60)
    page = view_page(IMAGE, projections, labels, "conv5")
    assert len(page.outlines) == 4
    assert "1, 2, 3" in [line.text for line in page.words]


def test_the_same_bytes_again(tmp_path):
    for name in "ab":
        draw_view(tmp_path / f"{name}.png", IMAGE, *maps(3), "conv4", "zfnet")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="one or more"):
        view_page(IMAGE, [], [], "conv4")


def test_fields_that_begin_at_one_corner_share_one_line_of_ranks():
    boxes = [(-8, -8, 20, 20), (-8, -8, 20, 40), (10, 10, 40, 40)]
    labels = [
        {"rank": rank, "unit": rank, "activation": 1.0, "row": 0, "col": 0, "box": box}
        for rank, box in enumerate(boxes)
    ]
    page = view_page(np.zeros((48, 48, 3), np.uint8), [np.zeros((48, 48, 3), np.float32)] * 3, labels, "conv3")
    assert sorted(words.text for words in page.words if words.on_picture) == ["1, 2", "3"]
