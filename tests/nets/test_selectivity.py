"""Selectivity and entropy of a unit's classes: closed forms, and what chance gives."""

import numpy as np
import pytest

from zfpipe.nets.selectivity import by_chance, entropy, selectivity


def test_selectivity_is_1_for_one_class_and_0_for_an_even_spread():
    assert selectivity(np.array([2, 2, 2, 2]), 3) == 1
    assert selectivity(np.array([0, 1, 2]), 3) == 0
    assert selectivity(np.array([0, 1, 2, 3]), 1000) == 0
    assert 0 < selectivity(np.array([0, 0, 1]), 3) < 1
    assert selectivity(np.array([-1, -1]), 3) == 0


def test_entropy_is_in_bits():
    assert entropy(np.array([3, 3, 3])) == 0
    assert entropy(np.array([0, 1, 2, 3, -1])) == 2
    assert entropy(np.array([0, 0, 1, 1])) == 1
    assert entropy(np.array([-1])) == 0


def test_chance_is_the_mean_over_draws_without_replacement():
    labels = np.array([0, 0, 1, 1])  # two of four: the same class with probability 1/3
    assert by_chance(labels, 2, 2, draws=4000) == pytest.approx(1 / 3, abs=0.03)
    assert by_chance(labels, 2, 2, seed=3) == by_chance(labels, 2, 2, seed=3)
    assert by_chance(np.zeros(5, int), 9, 1) == 0
