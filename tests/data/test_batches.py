"""Every image comes once an epoch, in a seeded order, from memory and from the file alike; means are exact."""

import threading
import time

import numpy as np
import pytest
import torch

from zfpipe.data.batches import (
    InMemory,
    ahead,
    batches,
    behind,
    channel_mean_and_std,
    check_splits,
    in_memory_if_it_fits,
    pixel_mean,
    seed_for,
    shuffled,
    to_device,
)
from zfpipe.data.packed import open_packed, write_packed
from zfpipe.data.preprocessing import preprocessing
from zfpipe.errors import UserError
from zfpipe.nets.device import Later


@pytest.fixture
def packed(tmp_path):
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (23, 6, 6, 3), dtype=np.uint8)
    names = [f"{number}.png" for number in range(23)]
    labels = np.arange(23) % 4
    facts = {"split": "train", "size": 6, "manifest_sha256": "0" * 64}
    write_packed(tmp_path / "train.h5", pixels, labels, names, list("abcd"), **facts)
    with open_packed(tmp_path / "train.h5") as opened:
        opened.pixels = pixels
        yield opened


@pytest.mark.parametrize("batch_size", [1, 4, 22, 23, 100])
def test_every_image_once_and_the_last_batch_is_not_lost(packed, batch_size):
    order = shuffled(23, 5)
    read = list(batches(packed, packed.labels, order, batch_size))
    assert len(read) == -(-23 // batch_size)
    pixels = torch.cat([images for images, _ in read]).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(pixels, packed.pixels[order])
    assert np.array_equal(torch.cat([labels for _, labels in read]).numpy(), packed.labels[order])


def test_memory_and_file_give_the_same_batches(packed):
    order = shuffled(23, 1)
    held = in_memory_if_it_fits(packed, 1.0)
    assert isinstance(held, InMemory)
    for one, other in zip(
        batches(held, packed.labels, order, 5), batches(packed, packed.labels, order, 5), strict=True
    ):
        assert torch.equal(one[0], other[0])
        assert one[0].is_contiguous(memory_format=torch.channels_last)


def test_a_split_above_the_bound_stays_on_disk(packed):
    assert in_memory_if_it_fits(packed, 23 * 36 * 3 / 1e9 * 0.99) is packed


def test_orders_are_seeded_permutations():
    assert np.array_equal(np.sort(shuffled(100, 3)), np.arange(100))
    assert np.array_equal(shuffled(100, 3), shuffled(100, 3))
    assert not np.array_equal(shuffled(100, 3), shuffled(100, 4))
    assert len({seed_for(seed, epoch, part) for seed in (0, 1) for epoch in (0, 1) for part in "ab"}) == 8


def test_reading_ahead_passes_errors_on():
    def failing():
        yield 1
        raise UserError("the file is damaged")

    items = ahead(failing())
    assert next(items) == 1
    with pytest.raises(UserError, match="damaged"):
        next(items)


def test_on_mps_nothing_is_copied_while_it_computes(monkeypatch):
    """There such a copy may read memory that is others' by then, and tells nobody when it has ended."""
    asked = []

    def to(tensor, *where, non_blocking=False):
        asked.append(non_blocking)
        return tensor

    numbers = torch.zeros(3)
    monkeypatch.setattr(torch.Tensor, "to", to)
    to_device(np.zeros(3), "mps")
    Later(numbers).get()
    assert asked == [False, False]


def test_pixel_mean_is_the_mean_image(packed):
    expected = packed.pixels.astype(np.float64).mean(0).transpose(2, 0, 1)
    assert pixel_mean(packed).shape == (3, 6, 6)
    assert np.allclose(pixel_mean(packed), expected, rtol=1e-6)


def test_channel_mean_and_std(packed):
    mean, std = channel_mean_and_std(packed)
    assert np.allclose(mean.ravel(), packed.pixels.reshape(-1, 3).mean(0), rtol=1e-6)
    assert np.allclose(std.ravel(), packed.pixels.reshape(-1, 3).std(0), rtol=1e-6)


def test_preprocessing_from_words_and_numbers(packed):
    mean, std = preprocessing(["pixel"], ["1"], packed)
    assert np.array_equal(mean.numpy(), pixel_mean(packed))
    assert std.flatten().tolist() == [1, 1, 1]
    mean, std = preprocessing(["channel"], ["channel"], packed)
    assert mean.shape == std.shape == (3, 1, 1)
    mean, std = preprocessing(["123.675", "116.28", "103.53"], ["58.5"], None)
    assert mean.flatten().tolist() == pytest.approx([123.675, 116.28, 103.53])
    assert std.flatten().tolist() == [58.5] * 3


@pytest.mark.parametrize(
    ("mean", "std", "words"),
    [
        (["pixle"], ["1"], "pixel, channel, one number, or three"),
        (["1", "2"], ["1"], "one number, or three"),
        (["1"], ["pixel"], "channel, one number, or three"),
        (["1"], ["0"], "above 0"),
        (["1"], ["nan"], "above 0"),
        (["pixel"], ["1"], "no training set"),
        (["1"], ["channel"], "no training set"),
    ],
)
def test_wrong_preprocessing_is_one_sentence(mean, std, words):
    with pytest.raises(UserError, match=words):
        preprocessing(mean, std, None)


def test_splits_that_do_not_fit(packed):
    check_splits(6, packed, packed)
    check_splits(6, None, packed)
    with pytest.raises(UserError, match=r"training images are 6 px and model.input_size is 7"):
        check_splits(7, packed, packed)
    other = InMemory(packed)
    other.classes = ["a"]
    with pytest.raises(UserError, match=r"4 classes at 6 px.*1 classes at 6 px"):
        check_splits(6, packed, other)
    other.images = other.images[:0]
    with pytest.raises(UserError, match="validation split holds no images"):
        check_splits(6, packed, other)
    with pytest.raises(UserError, match="training split holds no images"):
        check_splits(6, other, packed)


def test_work_that_is_handed_over_is_done_in_order_one_call_at_a_time():
    done, busy = [], threading.Lock()

    def work(number):
        assert busy.acquire(blocking=False)
        time.sleep(0.001)
        done.append(number)
        busy.release()

    with behind(work) as hand_over:
        for number in range(20):
            hand_over(number)
    assert done == list(range(20))


@pytest.mark.parametrize("more", [0, 1, 5])
def test_work_that_fails_is_told_by_the_next_call_or_at_the_end(more):
    done = []

    def work(number):
        if number == 2:
            raise OSError("no room")
        done.append(number)

    def hand_over_all():
        with behind(work) as hand_over:
            for number in range(3 + more):
                hand_over(number)

    with pytest.raises(OSError, match="no room"):
        hand_over_all()
    assert done == [0, 1]
