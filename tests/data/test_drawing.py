"""Draws for probes: exact numbers, nothing shared between training and test, the same each time."""

import numpy as np
import pytest

from zfpipe.data.drawing import Pool, Subset, draw
from zfpipe.errors import UserError


class Part:
    """A packed split in memory; each image holds its own number."""

    size, channels, classes = (2, 3), 1, ["ant", "bee", "cat"]

    def __init__(self, counts, first=0):
        self.labels = np.repeat(np.arange(3), counts)
        self.images = (np.arange(len(self.labels)) + first).astype(np.uint8)[:, None, None, None] * np.ones(
            (1, 2, 3, 1), np.uint8
        )

    def __len__(self):
        return len(self.labels)

    def read_rows(self, rows):
        return self.images[rows]


@pytest.fixture
def pool():
    return Pool(Part((7, 9, 8)), Part((4, 3, 5), first=24))


@pytest.mark.parametrize("how", ["train", "all"])
def test_training_and_test_images_are_exact_and_apart(pool, how):
    drawn = draw(pool, [2, 6], 3, 4, 0, how)
    assert len(drawn) == 4
    for one in drawn:
        for count in (2, 6):
            rows = one.training(count)
            assert np.bincount(pool.labels[rows]).tolist() == [count] * 3
            assert len(set(rows)) == len(rows)
            assert not set(rows) & set(one.test)
        assert set(one.training(2)) < set(one.training(6))
        assert np.bincount(pool.labels[one.test]).tolist() == [3] * 3
        if how == "train":
            assert one.training(6).max() < 24 <= one.test.min()
    assert len({tuple(sorted(one.training(6))) for one in drawn}) == 4
    if how == "all":
        assert any(one.training(6).max() >= 24 for one in drawn)
        assert any(one.test.min() < 24 for one in drawn)
    again = draw(pool, [2, 6], 3, 4, 0, how)
    assert all(
        np.array_equal(a.train, b.train) and np.array_equal(a.test, b.test) for a, b in zip(drawn, again, strict=True)
    )
    fewer = draw(pool, [2], 3, 4, 0, how)
    assert all(np.array_equal(a.training(2), b.training(2)) for a, b in zip(drawn, fewer, strict=True))
    assert not np.array_equal(draw(pool, [6], 3, 1, 1, how)[0].train, drawn[0].train)


def test_without_a_limit_all_that_are_left_are_tested(pool):
    one = draw(pool, [5], None, 1, 0, "all")[0]
    assert sorted([*one.training(5), *one.test]) == list(range(36))
    assert sorted(draw(pool, [5], None, 1, 0, "train")[0].test) == list(range(24, 36))


def test_another_class_changes_no_draw():
    drawn = [draw(Pool(Part((7, 9, last)), Part((4, 3, 5), 24)), [3], 3, 1, 0, "train")[0].train[:2] for last in (8, 5)]
    assert np.array_equal(*drawn)


@pytest.mark.parametrize(
    ("how", "most", "sentence"),
    [
        (
            "train",
            8,
            "The class 'ant' has 7 training images and probe.images_per_class asks for 8; ask for at most 7, or",
        ),
        (
            "all",
            11,
            "The class 'ant' has 11 images and probe.images_per_class asks for 11, and one to test with; ask for",
        ),
        ("some", 2, "probe.draw is 'some'"),
    ],
)
def test_too_few_images_name_the_class_and_its_count(pool, how, most, sentence):
    with pytest.raises(UserError) as error:
        draw(pool, [2, most], 3, 1, 0, how)
    assert sentence in str(error.value)
    assert draw(pool, [10], 3, 1, 0, "all")


def test_a_class_without_test_images_is_refused():
    with pytest.raises(UserError, match="'bee' has no validation image"):
        draw(Pool(Part((3, 3, 3)), Part((1, 0, 1))), [2], 3, 1, 0, "train")


def test_rows_of_both_parts_come_in_their_order(pool):
    rows = np.array([30, 2, 25, 0])
    assert pool.read_rows(rows)[:, 0, 0, 0].tolist() == rows.tolist()
    some = Subset(pool, rows)
    assert some.labels.tolist() == pool.labels[rows].tolist()
    assert some.read(1, 9)[:, 0, 0, 0].tolist() == [2, 25, 0]
    assert some.read_rows(np.array([3, 0]))[:, 0, 0, 0].tolist() == [0, 30]
