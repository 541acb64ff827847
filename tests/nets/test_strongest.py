"""The top-k accumulator against sorting everything, with many ties."""

import itertools

import numpy as np
import pytest
import torch

from zfpipe.files.histogram import EDGES
from zfpipe.nets.strongest import Strongest, peaks_of


def brute_force(maps, k):
    """All (activation, image_index, row, col) of each unit, by plain Python; maps (N, C, H, W)."""
    images, channels, height, width = maps.shape
    result = []
    for channel in range(channels):
        entries = []
        for image in range(images):
            places = [
                (-float(maps[image, channel, r, c]), r, c) for r, c in itertools.product(range(height), range(width))
            ]
            value, row, col = min(places)
            if value < 0:
                entries.append((value, image, row, col))
        entries.sort()
        best = [(-value, image, row, col) for value, image, row, col in entries[:k]]
        result.append(best + [(0.0, -1, -1, -1)] * (k - len(best)))
    return result


def as_lists(found):
    columns = (found.activation, found.image_index, found.row, found.col)
    return [list(zip(*(column[unit].tolist() for column in columns), strict=True)) for unit in range(len(found.row))]


def many_ties(images=13, channels=6, height=3, width=5, seed=0):
    """Whole-number maps of few values; one dead unit, one that three images alone excite."""
    maps = torch.randint(0, 4, (images, channels, height, width), generator=torch.Generator().manual_seed(seed)).float()
    maps[:, 2] = 0
    maps[3:, 4] = 0
    return maps


def collected(maps, k, batches):
    found = Strongest.empty(maps.shape[1], k)
    for batch in batches:
        found.add(maps[batch], np.array(batch))
    return found


@pytest.mark.parametrize("size", [1, 2, 4, 5, 13])
@pytest.mark.parametrize("k", [1, 4, 9, 20])
def test_any_batch_size_gives_the_brute_force_answer(size, k):
    maps = many_ties()
    batches = [list(range(start, min(start + size, len(maps)))) for start in range(0, len(maps), size)]
    assert as_lists(collected(maps, k, batches)) == brute_force(maps, k)


def test_the_order_of_batches_and_of_merging_does_not_count():
    maps = many_ties(seed=3)
    shards = [collected(maps, 4, [part]) for part in ([0, 1, 2, 3], [4, 5], [6, 7, 8, 9, 10, 11, 12])]
    for order in itertools.permutations(shards):
        merged = Strongest.empty(maps.shape[1], 4)
        for shard in order:
            merged.merge(shard)
        assert as_lists(merged) == brute_force(maps, 4)


def test_a_dead_unit_and_absent_images_are_missing_not_at_the_corner():
    found = collected(many_ties(), 9, [list(range(13))])
    assert found.activation[2].tolist() == [0] * 9
    for column in (found.image_index, found.row, found.col):
        assert column[2].tolist() == [-1] * 9
        assert column[4, 3:].tolist() == [-1] * 6


def test_ranking_is_by_the_maximum_not_the_sum_and_takes_an_image_once():
    maps = torch.zeros(2, 1, 3, 3)
    maps[0] = 1.0  # sum 9, maximum 1
    maps[1, 0, 2, 1] = 5.0
    maps[1, 0, 0, 0] = 4.0
    found = collected(maps, 3, [[0, 1]])
    assert as_lists(found) == [[(5.0, 1, 2, 1), (1.0, 0, 0, 0), (0.0, -1, -1, -1)]]


def test_rows_and_columns_on_a_map_that_is_not_square():
    maps = torch.zeros(1, 1, 2, 7)
    maps[0, 0, 1, 4] = 1.0
    assert as_lists(collected(maps, 1, [[0]])) == [[(1.0, 0, 1, 4)]]


def test_dense_layers_have_one_place():
    found = Strongest.empty(3, 2)
    found.add(torch.tensor([[1.0, 0.0, 2.0], [3.0, 0.0, 2.0]]), np.array([0, 1]))
    assert as_lists(found)[0] == [(3.0, 1, 0, 0), (1.0, 0, 0, 0)]
    assert as_lists(found)[2] == [(2.0, 0, 0, 0), (2.0, 1, 0, 0)]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(2, 3, 4, 7), (2, 3, 1, 1), (2, 3, 6, 1), (2, 3, 5)])
def test_a_maximum_stands_where_it_is_first(at_once, layout, shape):
    maps = torch.randint(-3, 2, (*shape, 1)[:4], generator=torch.Generator().manual_seed(1)).float()
    peaks, position = peaks_of(maps.contiguous(memory_format=layout), at_once)
    for image, unit in np.ndindex(peaks.shape):
        plane = maps[image, unit].numpy()
        assert (peaks[image, unit], position[image, unit]) == (plane.max(), plane.argmax())  # numpy's is the first


def test_maxima_that_are_not_finite_come_back_and_those_below_zero_are_none():
    maps = torch.tensor([[[[-1.0, -0.0]], [[float("nan"), 1.0]], [[float("inf"), 2.0]]]])
    found = Strongest.empty(3, 1)
    assert found.add(maps, np.array([7])).isfinite().tolist() == [[True, False, False]]
    assert as_lists(found)[0] == [(0.0, -1, -1, -1)]
    assert found.histogram[0, 0] == 1


def test_the_histogram_counts_every_image_once_whatever_the_batches_and_shards():
    maps = many_ties(images=29, seed=5) * torch.tensor([1e-9, 0.3, 1, 7.7, 1, 1e9])[:, None, None]
    peaks = maps.amax((2, 3)).T.numpy()
    edges = np.concatenate([[0, np.nextafter(np.float32(0), np.float32(1))], EDGES[1:-1], [np.inf]])
    slow = np.array([np.histogram(row, edges)[0] for row in peaks])
    assert slow[2, 0] == 29
    assert min(slow[0, 1], slow[5, -1]) > 20
    assert (slow[3, 2:-1] > 0).sum() == 2
    parts = [collected(maps, 2, [list(range(7)), [7]]), collected(maps, 2, [list(range(8, 29))])]
    parts[0].merge(parts[1])
    np.testing.assert_array_equal(parts[0].histogram, slow)
