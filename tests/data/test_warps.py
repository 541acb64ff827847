"""Warps of one image against slices and quarter turns."""

import numpy as np
import pytest

from zfpipe.data.warps import FILL, WARPS, amounts, warp

IMAGE = np.random.default_rng(0).integers(0, 256, (20, 20, 3)).astype(np.uint8)


@pytest.mark.parametrize("shift", [-7, -1, 0, 3, 20])
def test_a_shift_moves_rows_down_and_brings_grey_in(shift):
    wanted = np.full_like(IMAGE, FILL)
    wanted[max(0, shift) : 20 + min(0, shift)] = IMAGE[max(0, -shift) : 20 - max(0, shift)]
    assert np.array_equal(warp(IMAGE, "translation", shift), wanted)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_quarter_turns_are_exact_and_clockwise(quarters):
    assert np.array_equal(warp(IMAGE, "rotation", 90 * quarters), np.rot90(IMAGE, -quarters))


def test_a_scale_enlarges_about_the_centre():
    image = np.full((20, 20, 3), 10, np.uint8)
    image[8:12, 8:12] = 210
    found = warp(image, "scale", 2)
    assert (found[7:13, 7:13] == 210).all()
    assert (found[:5] == 10).all()
    assert np.array_equal(warp(IMAGE, "scale", 1), IMAGE)


def test_the_amounts_are_the_papers():
    assert (amounts("translation", 224)[0], amounts("translation", 224)[-1], len(amounts("translation", 224))) == (
        -60,
        60,
        25,
    )
    assert (amounts("scale", 80)[0], amounts("scale", 80)[-1]) == (1, 1.8)
    assert (amounts("rotation", 80)[0], amounts("rotation", 80)[-1]) == (0, 350)
    assert all(0 in amounts(kind, 8) or 1 in amounts(kind, 8) for kind in WARPS)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_any_number_of_channels(channels):
    image = np.repeat(IMAGE[..., :1], channels, axis=2)
    assert np.array_equal(warp(image, "rotation", 90)[..., -1], np.rot90(IMAGE[..., 0], -1))
