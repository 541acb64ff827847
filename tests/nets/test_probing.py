"""Linear classifiers on features: known answers, and the turn that saves time against none."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from zfpipe.nets.probing import CLASSIFIERS, classifier, probe, standardised


def clouds(count, features=200, apart=1.5, seed=0):
    """Four classes with centres of their own; `count` of each."""
    labels = np.repeat(np.arange(4), count)
    centres = np.random.default_rng(9).normal(size=(4, features))
    points = np.random.default_rng(seed).normal(size=(len(labels), features)) + apart * centres[labels]
    return points.astype(np.float32), labels


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_what_can_be_told_apart_is_and_shuffled_labels_are_guessed(name):
    (points, labels), (tests, truth) = clouds(12), clouds(60, seed=1)
    train, test = standardised(points, tests)
    assert probe(name, train, labels, test, truth, [1, 10], 0).accuracy == 1
    shuffled = np.random.default_rng(3).permutation(labels)
    found = [probe(name, train, shuffled, test, np.random.default_rng(k).permutation(truth), [1], 0) for k in range(8)]
    assert np.mean([one.accuracy for one in found]) == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("c", [1, 100])
def test_turning_the_features_changes_no_answer(name, c):
    (points, labels), (tests, _) = clouds(5, apart=0.2), clouds(40, apart=0.2, seed=1)
    train, test = standardised(points, tests)
    assert train.shape == (20, 20)
    plain = StandardScaler().fit(points)
    turned = classifier(name, c).set_params(tol=1e-8).fit(train, labels).decision_function(test)
    whole = classifier(name, c).set_params(tol=1e-8)
    whole.fit(plain.transform(points).astype(float) / np.sqrt(200), labels)
    wanted = whole.decision_function(plain.transform(tests).astype(float) / np.sqrt(200))
    np.testing.assert_allclose(turned, wanted, atol=2e-3 * np.abs(wanted).max())


def test_features_are_about_as_long_as_one():
    for count in (5, 80):
        train, _ = standardised(*(clouds(count, seed=seed)[0] * 40 + 7 for seed in (0, 1)))
        assert (train**2).sum(1).mean() == pytest.approx(1, abs=0.01)
        assert abs(train.mean()) < 1e-6


def test_accuracy_is_the_mean_over_classes():
    points = np.array([[-1.0], [-1], [1], [1]])
    tests, truth = np.array([[-1.0], [-1], [-1], [-1], [-1], [1], [-1]]), np.array([0, 0, 0, 0, 0, 1, 1])
    assert probe("svm", points, np.array([0, 0, 1, 1]), tests, truth, [1], 0).accuracy == (1 + 0.5) / 2


def test_c_is_what_tells_held_back_images_apart_best():
    # One loud direction says nothing; only a weak penalty lets the quiet one through, which says all.
    generator = np.random.default_rng(0)
    labels = np.tile([0, 1], 60)
    quiet = np.where(labels == 0, -1, 1) * 1e-3
    points = np.column_stack([generator.normal(size=120), quiet])
    chosen = probe("softmax", points, labels, points, labels, [1e-3, 1e8], 0)
    assert (chosen.c, chosen.accuracy) == (1e8, 1)
    noise = probe("svm", *[generator.normal(size=(40, 5)), np.tile([0, 1], 20)] * 2, [5.0], 0)
    assert noise.c == 5


def test_one_image_a_class_takes_the_middle_c():
    points, labels = clouds(1)
    assert probe("svm", points, labels, points, labels, [10, 1, 1000], 0).c == 10
