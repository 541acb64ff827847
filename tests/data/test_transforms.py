"""Crops and augmentation, image by image in plain Python against the batched versions."""

import math

import numpy as np
import pytest
import torch

from zfpipe.data import decode
from zfpipe.data.transforms import Augmentation, augment, centre_crop, cut
from zfpipe.errors import UserError

ZERO, ONE = torch.zeros(3, 1, 1), torch.ones(3, 1, 1)


def images(count, size, seed=0):
    """Return images as batches are: channels last in memory."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (count, size, size, 3), generator=generator, dtype=torch.uint8)
    return pixels.permute(0, 3, 1, 2)


def crops_of(how, repeats=300, packed=12, size=7, mean=ZERO, std=ONE, seed=0):
    image = images(1, packed)
    return augment(image.expand(repeats, -1, -1, -1), size, mean, std, how, torch.Generator().manual_seed(seed))


def the_ten(image, size):
    far = image.shape[-1] - size
    middle = round(far / 2)
    places = [(0, 0), (0, far), (far, 0), (far, far), (middle, middle)]
    five = [image[:, top : top + size, left : left + size] for top, left in places]
    return five + [crop.flip(2) for crop in five]


@pytest.mark.parametrize(("packed", "size"), [(12, 7), (12, 9), (11, 7)])
def test_ten_crops_are_exactly_the_ten(packed, size):
    expected = {crop.numpy().tobytes() for crop in the_ten(images(1, packed)[0].float(), size)}
    found = {crop.contiguous().numpy().tobytes() for crop in crops_of(Augmentation(), packed=packed, size=size)}
    assert len(expected) == 10
    assert found == expected


def test_the_ten_are_equally_likely():
    expected = [crop.numpy().tobytes() for crop in the_ten(images(1, 12)[0].float(), 7)]
    found = [crop.contiguous().numpy().tobytes() for crop in crops_of(Augmentation(), repeats=5000)]
    counts = [found.count(crop) for crop in expected]
    assert sum(counts) == 5000
    assert min(counts) > 400  # 500 each, sigma 21


def test_random_crops_reach_every_place_and_flip():
    found = {crop.contiguous().numpy().tobytes() for crop in crops_of(Augmentation("random"), repeats=2000)}
    assert len(found) == 6 * 6 * 2


def test_centre_crops_are_the_one_that_is_validated():
    found = crops_of(Augmentation("centre"), repeats=3)
    assert torch.equal(found, centre_crop(images(1, 12), 7).float().expand(3, -1, -1, -1))


@pytest.mark.parametrize(("packed", "size"), [(10, 7), (11, 8), (12, 7), (9, 9), (10, 3)])
def test_centre_crop_is_the_one_of_the_other_stages(packed, size):
    image = images(2, packed)
    other = decode.centre_crop(image.permute(0, 2, 3, 1).numpy(), size)
    assert np.array_equal(centre_crop(image, size).permute(0, 2, 3, 1).numpy(), other)


def test_centre_crop_of_too_small_an_image_says_both_sizes():
    with pytest.raises(UserError, match=r"6 px and the network's input is 7"):
        centre_crop(images(1, 6), 7)


def test_the_mean_image_is_subtracted_before_the_crop_moves():
    # An image equal to the mean image is zero wherever it is cropped and however it is flipped.
    image = images(1, 12)
    found = augment(image.expand(50, -1, -1, -1), 7, image[0].float(), ONE, Augmentation("random"), torch.Generator())
    assert found.abs().max() == 0


def test_std_divides():
    std = torch.tensor([1.0, 2.0, 4.0]).reshape(3, 1, 1)
    assert torch.equal(crops_of(Augmentation(), std=std) * std, crops_of(Augmentation()))


def test_cut_is_a_slice_of_each_image():
    image = images(4, 12)
    top, left = torch.tensor([0, 5, 2, 1]), torch.tensor([3, 5, 0, 4])
    for number, crop in enumerate(cut(image, top, left, 7)):
        t, l = top[number], left[number]  # noqa: E741
        assert torch.equal(crop, image[number, :, t : t + 7, l : l + 7])


def test_a_warp_that_changes_nothing_is_the_centre_crop():
    # The smallest turn there is goes through the interpolation, and must land on the same pixels.
    found = crops_of(Augmentation("centre", rotation=1e-6), repeats=2, packed=13, size=7)
    assert torch.allclose(found, centre_crop(images(1, 13), 7).float().expand(2, -1, -1, -1), atol=1e-2)


def test_a_quarter_turn_is_rot90():
    # 180 degrees at most: draw until an angle close to a quarter turns up.
    ramp = torch.arange(9.0).expand(3, 9, 9).mul(20).byte()[None]
    how = Augmentation("centre", rotation=180)
    found = augment(ramp.expand(4000, -1, -1, -1), 5, ZERO, ONE, how, torch.Generator().manual_seed(0))
    quarter = torch.rot90(centre_crop(ramp, 5).float(), 1, (2, 3))
    assert min((crop - quarter[0]).abs().max().item() for crop in found) < 1


def test_scale_is_the_side_of_the_crop():
    # A ramp of slope 1 a pixel has slope `scale` in a crop of side scale * input.
    ramp = torch.arange(60.0).expand(3, 60, 60).byte()[None]
    found = augment(ramp.expand(500, -1, -1, -1), 20, ZERO, ONE, Augmentation("centre", (0.5, 2.0)), torch.Generator())
    slopes = (found[:, 0, 10, 15] - found[:, 0, 10, 5]) / 10
    assert 0.5 <= slopes.min() < 0.52
    assert 1.94 < slopes.max() <= 2.0
    assert slopes.log().mean().abs() < 0.1  # as often smaller as larger


def test_warped_crops_flip_and_stay_inside():
    ramp = torch.arange(60.0).expand(3, 60, 60).byte()[None]
    found = augment(ramp.expand(500, -1, -1, -1), 20, ZERO, ONE, Augmentation("random", (0.9, 1.1)), torch.Generator())
    slopes = found[:, 0, :, 1:] - found[:, 0, :, :-1]
    flipped = slopes.mean((1, 2)) < 0
    assert 200 < flipped.sum() < 300
    # Reflection would show as a change of slope inside one crop.
    assert (slopes.sign().amax((1, 2)) == slopes.sign().amin((1, 2))).all()
    assert found.min() < 3
    assert found.max() > 56


def test_brightness_and_colour_keep_their_bounds():
    grey = torch.full((1, 3, 8, 8), 100, dtype=torch.uint8)
    together = augment(grey.expand(500, -1, -1, -1), 8, ZERO, ONE, Augmentation(brightness=0.3), torch.Generator())
    apart = augment(grey.expand(500, -1, -1, -1), 8, ZERO, ONE, Augmentation(colour=0.2), torch.Generator())
    assert torch.equal(together[:, 0], together[:, 2])
    assert 70 <= together.min() < 72
    assert 128 < together.max() <= 130
    assert not torch.allclose(apart[:, 0], apart[:, 2])
    assert 80 <= apart.min() < 82
    white = torch.full((50, 3, 8, 8), 250, dtype=torch.uint8)
    assert augment(white, 8, ZERO, ONE, Augmentation(brightness=0.5), torch.Generator()).max() == 255


def test_the_images_given_are_left_alone():
    image = images(4, 12)
    before = image.clone()
    augment(image, 12, ZERO, ONE, Augmentation(brightness=0.5, colour=0.5), torch.Generator())
    assert torch.equal(image, before)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"crops": "five"}, "ten, random, centre"),
        ({"scale_range": (1.5, 0.5)}, "smallest <= largest"),
        ({"scale_range": (0.0, 1.0)}, "smallest <= largest"),
        ({"rotation": 200}, "0 .off. to 180"),
        ({"brightness": -0.1}, "0 .off. to 1"),
        ({"colour": math.nan}, "0 .off. to 1"),
    ],
)
def test_a_wrong_augmentation_is_one_sentence(settings, words):
    with pytest.raises(UserError, match=words):
        Augmentation(**settings)


@pytest.mark.parametrize("crops", ["ten", "random", "centre"])
def test_crops_of_a_non_square_input_lie_in_the_image_and_mean_goes_with_them(crops):
    """The mean image is the image itself: wherever the crop lies, nothing is left."""
    image = torch.arange(5 * 20 * 31).reshape(5, 20, 31).remainder(251).to(torch.uint8)
    images, std = image.expand(40, -1, -1, -1), torch.ones(5, 1, 1)
    found = augment(images, (14, 9), image.float(), std, Augmentation(crops=crops), torch.Generator().manual_seed(0))
    assert found.shape == (40, 5, 14, 9)
    assert not found.any()


def test_a_turn_of_a_non_square_image_keeps_pixels_square():
    """A disc stays a disc: turned and not scaled, it covers as many pixels down as across."""
    down, across = torch.meshgrid(torch.arange(40.0), torch.arange(80.0), indexing="ij")
    disc = ((down - 19.5) ** 2 + (across - 39.5) ** 2 < 100).mul(255).to(torch.uint8).expand(8, 1, 40, 80)
    how = Augmentation(crops="centre", rotation=90)
    zero, one = torch.zeros(1, 1, 1), torch.ones(1, 1, 1)
    found = augment(disc, (28, 30), zero, one, how, torch.Generator().manual_seed(0)) > 127
    assert found.any(3).sum(2).flatten().tolist() == pytest.approx([20] * 8, abs=1)
    assert found.any(2).sum(2).flatten().tolist() == pytest.approx([20] * 8, abs=1)
