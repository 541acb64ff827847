"""Selectivity and entropy of a unit's classes: closed forms, and what chance gives."""

from itertools import combinations

import numpy as np
import pytest

from zfpipe.nets.selectivity import by_chance, enough, entropy, selectivity


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


def test_chance_is_the_mean_over_all_draws_without_replacement():
    assert by_chance(np.array([0, 0, 1, 1]), 2, 2) == pytest.approx(1 / 3)  # two of four are of one class
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 3, 3])
    for count in range(len(labels) + 1):
        every = [selectivity(labels[list(drawn)], 4) for drawn in combinations(range(len(labels)), count)]
        assert by_chance(labels, count, 4) == pytest.approx(np.mean(every), abs=1e-4)
    assert by_chance(np.zeros(5, int), 9, 1) == 0


def test_one_image_is_always_of_one_class_and_many_are_spread():
    labels = np.arange(400) % 10
    assert by_chance(labels, 1, 10) == 1
    assert by_chance(labels, 400, 10) == pytest.approx(0)


def test_a_unit_tells_something_where_it_has_as_many_images_as_it_can():
    assert [enough(count, 9, 100) for count in (0, 1, 8, 9)] == [False, False, False, True]
    assert enough(5, 9, 5)
