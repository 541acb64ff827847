"""How few classes the strongest images of a unit come from: what the paper's later critics ask of a unit."""

import math

import numpy as np


def shares(labels: np.ndarray) -> np.ndarray:
    """Return the parts of the classes that occur among labels (n,), of which -1 is none."""
    known = labels[labels >= 0]
    return np.unique(known, return_counts=True)[1] / max(1, len(known))


def entropy(labels: np.ndarray) -> float:
    """Return the entropy in bits of the classes of labels (n,): 0 for one class, log2(n) for n classes."""
    share = shares(labels)
    return float(-(share * np.log2(share)).sum()) + 0.0


def selectivity(labels: np.ndarray, classes: int) -> float:
    """Return how few classes a unit's entries come from: 1 if one, 0 if they are spread as evenly as they can be.

    One minus the entropy of the classes over its largest value, for labels (n,) of which -1 is none.
    """
    most = min(int((labels >= 0).sum()), classes)
    if most < 2:
        return float(most > 0 and classes > 1)
    return round(1 - entropy(labels) / math.log2(most) + 0.0, 4)


def by_chance(labels: np.ndarray, count: int, classes: int) -> float:
    """Return the mean selectivity of `count` images drawn at random from a split with labels (N,): what no unit earns.

    It is exact, over all draws without replacement. One image is always of one class.
    """
    count = min(count, len(labels))
    most = min(count, classes)
    if most < 2:
        return float(most > 0 and classes > 1)
    draws, expected = math.comb(len(labels), count), 0.0  # expected: of the sum over classes of n log2(n)
    for size, alike in zip(*np.unique(np.bincount(labels), return_counts=True), strict=True):
        size, others = int(size), len(labels) - int(size)
        for part in range(2, min(size, count) + 1):
            ways = math.comb(size, part) * math.comb(others, count - part)
            expected += int(alike) * ways / draws * part * math.log2(part)
    return 1 - (math.log2(count) - expected / count) / math.log2(most)


def enough(entries: int, k: int, images: int) -> bool:
    """Whether a unit has as many entries as it can, so that its selectivity tells something.

    Of one image it is 1 whatever the unit does, of two 0 or 1: a unit that few images excite is no more selective.
    """
    return entries > 0 and entries >= min(k, images)
