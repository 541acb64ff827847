"""Zero stays mid-grey; the scale is symmetric; what is clipped is stated."""

import numpy as np
import pytest

from zfpipe.errors import UserError
from zfpipe.pictures.ranges import GREY, say_scale, symmetric_scale, to_pixels, unit_pixels


def skewed():
    """All but one value is positive: a min-max display would make zero nearly black."""
    rng = np.random.default_rng(0)
    projection = rng.uniform(0, 1, (8, 8, 3)).astype(np.float32)
    projection[0, 0] = 0
    projection[1, 1] = -0.1
    return projection


def test_zero_is_mid_grey_whatever_else_is_there():
    pixels = to_pixels(skewed(), symmetric_scale(skewed()))
    assert (pixels[0, 0] == GREY).all()
    assert GREY == 128


def test_opposite_values_stand_equally_far_from_grey():
    projection = skewed()
    up, down = to_pixels(projection, 0.7).astype(int), to_pixels(-projection, 0.7).astype(int)
    assert (up - GREY == GREY - down).all()


def test_the_ends_of_the_scale_and_clipping_beyond():
    values = np.array([-9, -2, -1, 0, 1, 2, 9], np.float32)
    assert to_pixels(values, 2).tolist() == [1, 1, 64, 128, 192, 255, 255]


def test_an_all_zero_projection_is_plain_grey():
    nothing = np.zeros((4, 4, 3), np.float32)
    assert symmetric_scale(nothing) == 0
    assert (to_pixels(nothing, 0) == GREY).all()


def test_the_scale_is_a_high_quantile_not_the_maximum():
    projection = np.full((20, 20, 3), 0.5, np.float32)
    projection[0, 0, 0] = 100  # one outlier would turn all else grey
    assert symmetric_scale(projection) == pytest.approx(0.5)
    assert symmetric_scale(projection, quantile=1) == 100


def test_padding_does_not_pull_the_scale_down():
    projection = np.zeros((10, 10, 3), np.float32)
    inside = np.zeros((10, 10), bool)
    projection[:2, :2], inside[:2, :2] = np.arange(1, 13).reshape(2, 2, 3), True
    assert symmetric_scale(projection, inside, 0.5) == np.quantile(np.arange(1, 13), 0.5)


def test_a_nearly_empty_projection_is_scaled_by_its_maximum():
    projection = np.zeros((40, 40, 3), np.float32)
    projection[0, 0, 0] = -3
    assert symmetric_scale(projection) == 3


def test_scale_by_patch_or_by_unit():
    projections = np.stack([skewed(), 10 * skewed()])
    inside = np.ones(projections.shape[:3], bool)
    by_patch, by_unit = (unit_pixels(projections, inside, by) for by in ("patch", "unit"))
    assert np.array_equal(by_patch[0], by_patch[1])
    assert np.ptp(by_unit[0].astype(int)) < np.ptp(by_unit[1].astype(int)) / 5
    with pytest.raises(UserError, match="did you mean 'patch'"):
        unit_pixels(projections, inside, "patches")


def test_the_small_print_states_the_scale():
    assert "each reconstruction is scaled by its own 99.5 % quantile" in say_scale("patch", 0.995)
    assert "each unit is scaled by its own maximum" in say_scale("unit", 1.0)
