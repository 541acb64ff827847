"""Suspect labels: the published rule, written out in loops, finds the same images."""

import numpy as np
import pytest

from zfpipe.data.suspects import audit_labels, labels_for
from zfpipe.errors import UserError


def probabilities(images, classes, seed, sharpness=3.0):
    """A network that is mostly right; a tenth of the labels are then changed."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, classes, images)
    logits = generator.normal(size=(images, classes)) + sharpness * np.eye(classes)[truth]
    found = np.exp(logits)
    labels = np.where(generator.random(images) < 0.1, generator.integers(0, classes, images), truth)
    return labels, found / found.sum(1, keepdims=True)


def by_loops(labels, found):
    """Confident learning: a class's threshold is its mean self-confidence; the likeliest class above its own counts."""
    count = found.shape[1]
    thresholds = [
        np.mean([p[k] for p, y in zip(found, labels, strict=True) if y == k]) if k in labels else np.inf
        for k in range(count)
    ]
    suspects = []
    for p, label in zip(found, labels, strict=True):
        above = [k for k in range(count) if p[k] >= thresholds[k]]
        confident = max(above, key=lambda k, p=p: p[k]) if above else label
        suspects.append(confident != label and int(np.argmax(p)) != label)
    return suspects


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("seed", range(4))
def test_suspects_are_those_of_the_published_rule(classes, seed):
    labels, found = probabilities(300, classes, seed)
    audited = audit_labels(labels, found)
    assert audited.suspect.tolist() == by_loops(labels, found)
    assert 0 < audited.suspect.sum() < 100


def test_confidence_margin_answer_and_rank():
    found = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.1, 0.2, 0.7]])
    audited = audit_labels(np.array([0, 1, 1, 0, 2]), found)
    np.testing.assert_allclose(audited.self_confidence, [0.7, 0.8, 0.05, 0.05, 0.7])
    np.testing.assert_allclose(audited.margin, [0.5, 0.7, -0.85, -0.85, 0.5])
    assert audited.suggested.tolist() == [0, 1, 0, 1, 2]
    assert audited.ranked().tolist() == [2, 3]  # equal confidence: the first image first


def test_classes_without_images_and_a_single_class_suspect_nobody():
    labels, found = probabilities(100, 3, 0)
    found = np.concatenate([found * 0.9, np.full((100, 1), 0.1)], axis=1)  # an output that no image has
    assert audit_labels(labels, found).suspect.tolist() == by_loops(labels, found)
    assert not audit_labels(np.zeros(100, int), found).suspect.any()


def test_labels_go_by_name():
    assert labels_for(np.array([0, 1, 1]), ["cat", "dog"], ["bird", "dog", "cat"]).tolist() == [2, 1, 1]
    with pytest.raises(UserError, match=r"it knows 2, without cat; this needs"):
        labels_for(np.array([0]), ["cat"], ["tench", "dog"])


def test_a_network_of_one_output_judges_nothing():
    with pytest.raises(UserError, match="has 1 output; to judge labels it has to know two"):
        labels_for(np.array([0]), ["cat"], ["cat"])
