"""The bins of a histogram of activations: their edges, and which bin takes what."""

import numpy as np
import pytest

from zfpipe.files.histogram import BINS, EDGES, bins_of


def test_edges_are_eighths_of_octaves():
    assert len(EDGES) == BINS == 257
    assert EDGES[[0, 8, 128, 129, 130, 136, -1]].tolist() == [2**-16, 2**-15, 1, 1.125, 1.25, 2, 2**16]


def test_a_bin_takes_its_lower_edge_and_what_is_below_the_next():
    below = np.nextafter(EDGES, np.float32(0))
    assert bins_of(EDGES[:-1]).tolist() == list(range(1, BINS))
    assert bins_of(below[1:]).tolist() == list(range(1, BINS))


@pytest.mark.parametrize(
    ("value", "number"), [(0.0, 0), (-0.0, 0), (-3.0, 0), (1e-40, 1), (1e-12, 1), (1.0, 129), (1e9, 256), (3e38, 256)]
)
def test_what_lies_beyond_goes_to_the_ends(value, number):
    assert bins_of(np.array([value], np.float32)).tolist() == [number]
    assert bins_of(np.array([value], np.float64)).tolist() == [number]
