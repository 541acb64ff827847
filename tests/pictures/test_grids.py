"""The layer's page: what stands where, that no text collides, and the same bytes each time."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from zfpipe.pictures.crops import fit_tile, hatch
from zfpipe.pictures.filters import Filters
from zfpipe.pictures.grids import UnitPictures, grid_page, pair_picture, tile_size
from zfpipe.pictures.mosaics import BLANK, LINE, PAPER
from zfpipe.pictures.pages import number, wrap
from zfpipe.pictures.prose import Text
from zfpipe.pictures.saving import page_figure, save_page

INPUT = (64, 64)
TEXT = Text(
    "some-long-run-name · features.denseblock4.denselayer16.relu2",
    "receptive field 7 by 7 px · map 110 by 110 · 16 of 256 units (random, seed 0) · top 9 of 50000 images",
    "Left of each pair: reconstructions; right: patches. " * 4,
)


def unit(n=0, k=9, side=7, dead=False, top=3):
    rng = np.random.default_rng(n)
    boxes = np.array([[top, 5, top + side, 5 + side]] * k)
    pictures = rng.integers(1, 250, (2, k, side, side, 3)).astype(np.uint8)
    activation = np.sort(rng.uniform(1000, 9999, k))[::-1]
    if dead:
        boxes, activation = boxes * 0 - 1, activation * 0
    return UnitPictures(1000 + n, activation, boxes, *pictures)


def boxes_of_words(page):
    figure = page_figure(page)
    renderer = FigureCanvasAgg(figure).get_renderer()
    return figure, {text.get_text(): text.get_window_extent(renderer) for text in figure.axes[0].texts}


@pytest.mark.parametrize("side", [7, 45, 64])
@pytest.mark.parametrize("count", [1, 2, 10, 12, 16, 40])
def test_no_text_meets_another_or_leaves_the_page(count, side):
    page = grid_page("png", [unit(n, side=side) for n in range(count)], INPUT, TEXT)
    figure, boxes = boxes_of_words(page)
    assert len(boxes) >= 2 * count + 3
    for index, (text, box) in enumerate(list(boxes.items())):
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= figure.bbox.width, text
        assert box.y1 <= figure.bbox.height, text
        for other in list(boxes.values())[index + 1 :]:
            assert not box.overlaps(other), text


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_no_text_stands_on_a_picture(kind):
    page = grid_page(kind, [unit(n) for n in range(12)], INPUT, TEXT)
    figure, boxes = boxes_of_words(page)
    height = figure.bbox.height
    for text, box in boxes.items():
        below = page.pixels[int(height - box.y1) : int(height - box.y0), int(box.x0) : int(box.x1)]
        assert (below == PAPER).all(), text


def test_every_picture_stands_in_its_place():
    units = [unit(0), unit(1, top=-3)]
    page = grid_page("png", units, INPUT, TEXT)
    tile = tile_size((7, 7), 2.2 * 150 / 3.07)
    pictures = [pair_picture(each, tile, 5 * round(0.035 * tile[0]), INPUT) for each in units]
    corners = [find(page.pixels, picture) for picture in pictures]
    assert corners[0] is not None
    assert corners[1] is not None
    assert corners[0][0] < corners[1][0]  # the second stands below the first: two units make one column
    first = fit_tile(units[0].reconstructions[0], tile, units[0].boxes[0], INPUT)
    assert np.array_equal(pictures[0][1:, 1:][: tile[0], : tile[1]], first)
    last = fit_tile(units[0].patches[-1], tile, units[0].boxes[-1], INPUT)
    assert np.array_equal(pictures[0][:-1, :-1][-tile[0] :, -tile[1] :], last)


def find(page, picture):
    size, middle = picture.shape[:2], [side // 2 for side in picture.shape[:2]]
    places = np.argwhere((page == picture[tuple(middle)]).all(axis=2)) - middle  # far fewer than of its corner
    places = places[(places >= 0).all(axis=1)]
    return next((p for p in places if np.array_equal(page[p[0] :, p[1] :][: size[0], : size[1]], picture)), None)


def test_padding_is_marked_in_both_blocks():
    picture = pair_picture(unit(top=-3), (70, 70), 10, INPUT)
    marked = hatch((70, 70))[:30]
    assert np.array_equal(picture[1:31, 1:71], marked)
    assert np.array_equal(picture[1:31, -71:-1], marked)


def test_a_dead_unit_is_blank_and_says_so():
    page = grid_page("png", [unit(0, dead=True)], INPUT, TEXT)
    assert set(np.unique(page.pixels)) == {BLANK, LINE, PAPER}
    assert [line.text for line in page.words][:2] == ["unit 1000", "dead"]


def test_the_label_gives_the_range_of_what_is_shown():
    some = unit(0)
    some.activation[:] = [9, 8, 7, 6.5, 0, 0, 0, 0, 0]
    some.boxes[4:] = -1
    assert grid_page("png", [some], INPUT, TEXT).words[1].text == "9.00 \N{EN DASH} 6.50"


@pytest.mark.parametrize("k", [1, 4, 5, 16])
def test_any_k_is_drawn(k):
    page = grid_page("png", [unit(n, k) for n in range(3)], INPUT, TEXT)
    assert page.pixels.shape[0] > 100


def test_filters_stand_above_the_units_scaled_around_grey():
    weights = np.zeros((3, 5, 5, 3), np.float32)
    weights[1], weights[2, 0, 0] = 2, -7
    filters = Filters(np.array([0, 1, 2]), weights)
    page = grid_page("png", [unit(0)], INPUT, TEXT, filters)
    plain = grid_page("png", [unit(0)], INPUT, TEXT)
    assert page.pixels.shape[0] > plain.pixels.shape[0]
    assert find(page.pixels, np.full((45, 45, 3), 128, np.uint8)) is not None
    assert find(page.pixels, np.full((45, 45, 3), 255, np.uint8)) is not None
    assert "filters of units 0 to 2" in [line.text for line in page.words]
    assert Filters(np.array([4, 9]), weights[:2]).name().startswith("filters of 2 units, 4 to 9")


def test_a_png_is_the_page_pixel_for_pixel(tmp_path):
    units = [unit(n, side=30) for n in range(3)]
    save_page(tmp_path / "a.png", grid_page("png", units, INPUT, TEXT, dpi=130), "png")
    page = grid_page("png", units, INPUT, TEXT, dpi=130)
    drawn = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    assert drawn.shape == page.pixels.shape
    pictures = (page.pixels != PAPER).any(axis=2)  # no words stand there
    assert np.array_equal(drawn[pictures], page.pixels[pictures])


def test_a_pdf_keeps_text_as_text_and_every_pixel(tmp_path):
    page = grid_page("pdf", [unit(side=40)], INPUT, TEXT)
    save_page(tmp_path / "a.pdf", page, "pdf")
    data = (tmp_path / "a.pdf").read_bytes()
    assert b"/CIDFontType2" in data  # a TrueType font, embedded
    assert b"/Type3" not in data
    assert f"/Width {page.pixels.shape[1]}".encode() in data
    assert b"/CreationDate" not in data


def test_the_same_bytes_again_in_another_process(tmp_path):
    code = f"""
        import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})
        from test_grids import *
        for kind in ("png", "pdf"):
            save_page(sys.argv[1] + "." + kind, grid_page(kind, [unit(n) for n in range(3)], INPUT, TEXT), kind)
    """
    for name, seed in (("a", "1"), ("b", "2")):
        environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": f"UTC+{seed}"}
        subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(tmp_path / name)], check=True, env=environment)
    for kind in ("png", "pdf"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes(), kind


@pytest.mark.parametrize(
    ("crop", "target", "tile"),
    [((7, 7), 64, (63, 63)), ((27, 27), 64, (54, 54)), ((75, 75), 64, (75, 75)), ((224, 112), 64, (64, 32))],
)
def test_small_fields_are_enlarged_by_whole_numbers(crop, target, tile):
    assert tile_size(crop, target) == tile


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0"), (12345.6, "12346"), (28.31, "28.3"), (0.01234, "0.0123"), (1e-7, "1.00e-07")]
)
def test_numbers_are_short(value, words):
    assert number(value) == words


def test_lines_are_wrapped_to_the_width():
    assert len(wrap("word " * 40, 3, 7)) > 1
