"""Near duplicates: all pairs of 64-bit hashes that differ in few bits, without comparing every pair.

If two hashes differ in at most r bits and are cut into r + 1 bands, one band at least is the same in both. So the
hashes are sorted once for each band, and only neighbours with an equal band are compared. Nothing is missed.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

BITS = 64


def near_pairs(hashes: np.ndarray, radius: int) -> np.ndarray:
    """Return all pairs of places (P, 2), smaller place first, whose hashes (N,) uint64 differ in `radius` bits or less.

    The hashes have to differ from one another. Memory grows with the number of pairs found.
    """
    found = [np.empty((0, 2), np.int64)]
    edges = np.linspace(0, BITS, radius + 2).astype(int)
    for low, high in pairwise(edges):
        mask = np.uint64((1 << int(high - low)) - 1)
        band = (hashes >> np.uint64(low)) & mask
        order = np.argsort(band, kind="stable")
        found.append(_near_neighbours(hashes[order], band[order], order, radius))
    pairs = np.sort(np.concatenate(found), axis=1)
    return np.unique(pairs, axis=0)


def near_groups(hashes: Sequence[int], radius: int) -> list[list[int]]:
    """Return the groups of places that chains of near pairs (or equal hashes) join, each sorted, in order."""
    values, place = np.unique(np.array(hashes, np.uint64), return_inverse=True)
    pairs = near_pairs(values, radius)
    links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(len(values),) * 2)
    group_of = connected_components(links, directed=False)[1][place] if len(values) else place
    order = np.argsort(group_of, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(group_of[order])) + 1)
    return sorted(group.tolist() for group in groups if len(group) > 1)


def _near_neighbours(hashes: np.ndarray, band: np.ndarray, order: np.ndarray, radius: int) -> np.ndarray:
    """Compare each hash with the next one, the one after that, ... as long as the band is the same."""
    found = [np.empty((0, 2), np.int64)]
    first, step = np.arange(len(band)), 1
    while len(first):
        first = first[first + step < len(band)]
        first = first[band[first] == band[first + step]]
        near = np.bitwise_count(hashes[first] ^ hashes[first + step]) <= radius
        found.append(np.stack([order[first[near]], order[first[near] + step]], axis=1))
        step += 1
    return np.concatenate(found)
