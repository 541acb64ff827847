"""A patch is the image cut at its box; what lies past the border is marked, never smeared."""

import numpy as np
import pytest

from zfpipe.pictures.crops import crop, fit_tile, hatch, inside_image, resize

IMAGE = np.random.default_rng(0).integers(1, 255, (20, 30, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    "box", [(2, 3, 9, 10), (-3, -2, 4, 5), (16, 26, 23, 33), (-5, -5, 25, 35), (0, 0, 20, 30), (30, 40, 34, 44)]
)
def test_a_crop_is_the_image_inside_and_zero_outside(box):
    cut, inside = crop(IMAGE, box), inside_image(box, (20, 30))
    padded = np.pad(IMAGE, ((50, 50), (50, 50), (0, 0)))
    assert np.array_equal(cut, padded[box[0] + 50 : box[2] + 50, box[1] + 50 : box[3] + 50])
    assert (cut.any(axis=2) == inside).all()


def test_a_tile_of_a_box_inside_is_each_pixel_as_a_square():
    cut = crop(IMAGE, (2, 3, 9, 10))
    tile = fit_tile(cut, (28, 28), (2, 3, 9, 10), (20, 30))
    assert np.array_equal(tile, cut.repeat(4, axis=0).repeat(4, axis=1))


def test_padding_is_hatched_and_the_image_part_is_untouched():
    box = (-3, 26, 4, 33)
    cut = crop(IMAGE, box)
    tile = fit_tile(cut, (28, 28), box, (20, 30))
    inside = inside_image(box, (20, 30)).repeat(4, axis=0).repeat(4, axis=1)
    assert np.array_equal(tile[inside], cut.repeat(4, axis=0).repeat(4, axis=1)[inside])
    assert np.array_equal(tile[~inside], hatch((28, 28))[~inside])
    assert len(np.unique(hatch((28, 28)))) == 2  # a pattern, so it cannot be taken for white or grey image


def test_making_a_tile_smaller_keeps_grey_grey_and_padding_out():
    box = (-50, 0, 50, 100)
    cut = np.full((100, 100, 3), 128, np.uint8)
    cut[:50] = 0
    tile = fit_tile(cut, (40, 40), box, (100, 100))
    assert (tile[20:] == 128).all()  # the zeros of the padding would darken the first row
    assert np.array_equal(tile[:20], hatch((40, 40))[:20])


def test_enlarging_is_smooth_only_where_asked():
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0] = 255
    assert set(np.unique(resize(pixels, (20, 20)))) == {0, 255}
    assert len(np.unique(resize(pixels, (20, 20), smooth=True))) > 2
