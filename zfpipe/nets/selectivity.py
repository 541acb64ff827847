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


def by_chance(labels: np.ndarray, k: int, classes: int, draws: int = 1000, seed: int = 0) -> float:
    """Return the mean selectivity of `k` images drawn at random from a split with labels (N,): what no unit earns."""
    rng = np.random.default_rng(seed)
    drawn = (rng.choice(labels, min(k, len(labels)), replace=False) for _ in range(draws))
    return float(np.mean([selectivity(each, classes) for each in drawn]))
