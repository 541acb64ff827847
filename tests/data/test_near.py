"""Near pairs of hashes: exactly those that comparing every pair finds, also where many bands are the same."""

import numpy as np
import pytest

from zfpipe.data.near import near_groups, near_pairs


def brute_force(hashes, radius):
    values = [int(value) for value in hashes]
    return [
        [i, j]
        for i in range(len(values))
        for j in range(i + 1, len(values))
        if (values[i] ^ values[j]).bit_count() <= radius
    ]


def hashes(kind, seed):
    generator = np.random.default_rng(seed)
    if kind == "random":
        return generator.integers(0, 2**64, 60, dtype=np.uint64)
    if kind == "crowded":  # all within a few bits, so that bands are shared by many
        return np.unique(generator.integers(0, 2**12, 60, dtype=np.uint64) << np.uint64(26))
    base = generator.integers(0, 2**64, 12, dtype=np.uint64)
    flips = [
        sum(1 << int(bit) for bit in generator.choice(64, generator.integers(0, 9), replace=False)) for _ in range(60)
    ]
    return np.unique(base[np.arange(60) % 12] ^ np.array(flips, np.uint64))


@pytest.mark.parametrize("kind", ["random", "crowded", "families"])
@pytest.mark.parametrize("radius", [0, 1, 3, 4, 7, 16])
def test_pairs_are_those_of_brute_force(kind, radius):
    for seed in range(5):
        values = hashes(kind, seed)
        assert near_pairs(values, radius).tolist() == brute_force(values, radius)


def test_groups_join_chains_and_equal_hashes():
    chain = [0b0, 1 << 63, 0b11, 0b1111, 0b0, 0xFFFF << 40]
    assert near_groups(chain, 2) == [[0, 1, 2, 3, 4]]
    assert near_groups(chain, 1) == [[0, 1, 4]]
    assert near_groups(chain, 0) == [[0, 4]]
    assert near_groups([], 4) == []
    assert near_groups([5], 4) == []


def test_a_hundred_thousand_are_not_compared_pair_by_pair(monkeypatch):
    compared = []
    count = np.bitwise_count
    monkeypatch.setattr(np, "bitwise_count", lambda values: compared.append(len(values)) or count(values))
    values = np.unique(np.random.default_rng(0).integers(0, 2**64, 100_000, dtype=np.uint64))
    near_pairs(values, 4)
    assert sum(compared) < len(values) ** 2 / 2 / 1000  # counted, not timed
