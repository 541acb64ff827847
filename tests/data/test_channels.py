"""Images of 1, 2, 3 and more channels, and of any shape, held to plain versions."""

import io

import numpy as np
import pytest
from PIL import Image
from torch.nn import functional

from zfpipe.data.channels import cover, load_array, read_pixels, shown, shown_channels
from zfpipe.data.checks import look
from zfpipe.data.decode import Undecodable
from zfpipe.data.findings import THRESHOLDS
from zfpipe.data.folder import Listed
from zfpipe.data.oddities import of_looks
from zfpipe.data.sizes import fits, packed_for, pair, shortest, size_name

GENERATOR = np.random.default_rng(0)
RGB = GENERATOR.integers(0, 256, (40, 56, 3), dtype=np.uint8)


def png(array):
    data = io.BytesIO()
    Image.fromarray(array).save(data, "PNG")
    return data.getvalue()


def npy(array, **options):
    data = io.BytesIO()
    np.save(data, array, **options)
    return data.getvalue()


def test_grey_stays_the_grey_it_was():
    grey = RGB[:40, :40, 0]
    assert np.array_equal(read_pixels(png(grey), (40, 40), 1)[..., 0], grey)
    assert np.array_equal(read_pixels(png(grey), (40, 40), 3), np.repeat(grey[..., None], 3, 2))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_an_array_is_resized_channel_by_channel(count):
    array = GENERATOR.integers(0, 256, (30, 50, count), dtype=np.uint8)
    found = read_pixels(npy(array), (12, 18), count)
    assert found.shape == (12, 18, count)
    for channel in range(count):
        alone = np.asarray(cover(Image.fromarray(array[..., channel]), (12, 18)))
        assert np.array_equal(found[..., channel], alone)


@pytest.mark.parametrize("size", [(20, 35), (35, 20), (16, 24)])
def test_cover_is_resize_then_centre_crop(size):
    import torch

    down, across = np.mgrid[:40, :56]
    smooth = np.stack([2 * down + across, 4 * across, 100 + 2 * down - across], 2).astype(np.uint8)
    image = Image.fromarray(smooth)
    found = np.asarray(cover(image, size)).astype(float)
    assert found.shape == (*size, 3)
    # The part of the image with the crop's shape, resized by another implementation.
    scale = min(image.height / size[0], image.width / size[1])
    down, across = (round(side * scale) for side in size)
    top, left = (image.height - down) // 2, (image.width - across) // 2
    middle = torch.tensor(smooth[top : top + down, left : left + across]).permute(2, 0, 1)[None].float()
    plain = functional.interpolate(middle, size, mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()
    assert np.abs(found - plain).max() < 4  # levels: half a pixel of place is all they may differ by


def test_cover_takes_images_of_any_size():
    """Rounding once put the cut past the border of some: of 442 x 599 pixels for 219 x 293, as an example."""
    for size in [(219, 293), (116, 100), (256, 341), (7, 1)]:
        sides = [(442, 599), (1, 900), (900, 1), *GENERATOR.integers(1, 900, (300, 2)).tolist()]
        for height, width in sides:
            assert cover(Image.new("L", (width, height)), size).size == size[::-1]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (npy(np.zeros((4, 4, 5), np.float32)), "of float32; it has to be"),
        (npy(np.zeros((4, 4, 4, 5), np.uint8)), "has to be"),
        (npy(np.array([{"a": 1}], dtype=object), allow_pickle=True), "no .npy array of plain numbers"),
        (npy(np.zeros((4, 4, 4), np.uint8)), "holds 4 channels, and the data set's `channels` says 5"),
        (b"no array", "no .npy array"),
    ],
    ids=["floats", "four axes", "pickle", "other count", "junk"],
)
def test_what_is_no_image_of_five_channels_is_refused(data, words):
    with pytest.raises(Undecodable, match=words):
        read_pixels(data, (4, 4), 5)


def test_a_flat_array_is_one_channel():
    assert load_array(npy(np.zeros((4, 5), np.uint8))).shape == (4, 5, 1)


def test_the_stated_rule_of_showing():
    pixels = np.arange(12, dtype=np.uint8).reshape(1, 2, 6)
    assert shown(pixels[..., :1])[0, 1].tolist() == [6, 6, 6]
    assert shown(pixels[..., :2])[0, 1].tolist() == [6, 7, 0]
    assert shown(pixels)[0, 1].tolist() == [6, 7, 8]
    assert shown(pixels, [5, 0, 3])[0, 1].tolist() == [11, 6, 9]
    assert shown(pixels, [4])[0, 1].tolist() == [10, 10, 10]
    with pytest.raises(Exception, match="one to three of 0 to 5"):
        shown_channels([6], 6)


def test_sizes():
    assert pair(5) == pair([5, 5]) == (5, 5)
    assert (shortest((5, 5)), shortest((5, 6))) == (5, [5, 6])
    assert (size_name(5), size_name((219, 292))) == ("5", "219x292")
    assert packed_for(224) == (256, 256)
    assert packed_for([192, 256]) == (220, 293)
    assert fits((3, 4), (3, 4))
    assert not fits((4, 3), (3, 4))


@pytest.mark.parametrize(("made", "channels", "found"), [(5, 5, False), (5, 4, True), (5, 3, True), (3, 3, False)])
def test_a_check_sees_arrays_of_another_number_of_channels(tmp_path, made, channels, found):
    np.save(tmp_path / "a.npy", np.zeros((9, 9, made), np.uint8))
    facts = look(tmp_path, Listed("a.npy", "a", None), channels=channels)
    assert ("wrong-channels" in facts.findings) == found
    assert "wrong-type" not in of_looks([facts], THRESHOLDS)


def test_pictures_are_grey_or_rgb_and_nothing_else(tmp_path):
    Image.new("L", (9, 9)).save(tmp_path / "a.png")
    listed = Listed("a.png", "a", None)
    assert "wrong-channels" in look(tmp_path, listed, channels=5).findings
    assert "greyscale" in look(tmp_path, listed, channels=3).findings
    assert look(tmp_path, listed, channels=1).findings == {}


def test_of_two_channels_a_signal_has_no_third_colour():
    signal = shown(np.array([[-1.0, 3.0]]))
    assert signal.tolist() == [[-1.0, 3.0, 1.0]]
    assert shown(np.array([[10, 20]], np.uint8)).tolist() == [[10, 20, 0]]
