"""Similarity of projections: known answers, and what cannot be compared."""

import numpy as np
import pytest
from scipy.stats import rankdata

from zfpipe.pictures.likeness import inside, of_ranks, structural

GENERATOR = np.random.default_rng(0)
SIGNAL = GENERATOR.normal(size=(20, 30, 3)).astype(np.float32)


def test_a_projection_is_like_itself_whatever_its_scale():
    assert structural(SIGNAL, 3 * SIGNAL) == pytest.approx(1)
    assert of_ranks(SIGNAL, 3 * SIGNAL) == pytest.approx(1)


def test_its_opposite_and_another_are_not():
    other = GENERATOR.normal(size=SIGNAL.shape)
    assert of_ranks(SIGNAL, -SIGNAL) == pytest.approx(-1)
    assert structural(SIGNAL, -SIGNAL) < -0.5
    assert abs(of_ranks(SIGNAL, other)) < 0.1
    assert abs(structural(SIGNAL, other)) < 0.1


def test_rank_correlation_is_the_correlation_of_ranks():
    other = SIGNAL + GENERATOR.normal(size=SIGNAL.shape)
    slow = np.corrcoef(rankdata(SIGNAL.ravel()), rankdata(other.ravel()))[0, 1]
    assert of_ranks(SIGNAL, other) == pytest.approx(slow, abs=1e-12)


@pytest.mark.parametrize("shape", [(3, 3, 3), (7, 4, 1), (6, 6, 5)])
def test_small_fields_are_compared_in_smaller_windows(shape):
    signal = GENERATOR.normal(size=shape)
    assert structural(signal, signal) == pytest.approx(1)


def test_what_cannot_be_compared_is_nan():
    nothing = np.zeros_like(SIGNAL)
    assert np.isnan(structural(SIGNAL, nothing))
    assert np.isnan(of_ranks(nothing, SIGNAL))
    assert np.isnan(structural(SIGNAL[:2], SIGNAL[:2]))


def test_what_lies_past_the_border_does_not_count():
    assert np.array_equal(inside(SIGNAL, np.array([-2, 5, 18, 35]), (10, 32)), SIGNAL[2:12, :27])
    assert np.array_equal(inside(SIGNAL, np.array([0, 0, 20, 30]), (20, 30)), SIGNAL)
