"""Every image enters by one door: each kind of file becomes upright 8-bit RGB, as the report says it does."""

import io

import numpy as np
import pytest
import torch
from image_examples import corners, noise, png, save, truncated_jpeg
from PIL import Image
from torchvision.transforms import v2

from zfpipe.data.decode import CONVERSIONS, Undecodable, centre_crop, decode, read_rgb, square
from zfpipe.errors import UserError

# How a camera that writes this EXIF orientation has stored the upright picture.
TURNED = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_90",
    7: "TRANSVERSE",
    8: "ROTATE_270",
}


def decoded(path):
    return decode(io.BytesIO(path.read_bytes()))


def pixels(path):
    image = read_rgb(path)
    assert image.mode == "RGB"
    return np.asarray(image)


def test_an_rgb_image_comes_in_as_it_is(tmp_path):
    path = save(noise(1), tmp_path / "a.png")
    assert np.array_equal(pixels(path), np.asarray(noise(1)))
    assert decoded(path).conversions == ()


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_becomes_three_equal_channels(tmp_path, mode):
    grey = noise(1).convert(mode)
    path = save(grey, tmp_path / "a.png")
    expected = np.asarray(grey.convert("L"))
    assert all(np.array_equal(pixels(path)[..., channel], expected) for channel in range(3))
    assert decoded(path).conversions == ("greyscale",)


def test_sixteen_bit_grey_is_scaled_and_not_clipped(tmp_path):
    values = np.linspace(0, 65535, 2000).astype(np.uint16).reshape(40, 50)
    path = save(Image.fromarray(values), tmp_path / "a.png")
    expected = np.round(values / 257).astype(np.uint8)
    assert np.array_equal(pixels(path)[..., 0], expected)
    assert len(np.unique(pixels(path))) == 256
    assert decoded(path).conversions == ("sixteen-bit", "greyscale")


@pytest.mark.parametrize("suffix", ["tif", "pgm"])
def test_sixteen_bit_grey_in_other_formats(tmp_path, suffix):
    values = np.linspace(0, 65535, 2000).astype(np.uint16).reshape(40, 50)
    path = save(Image.fromarray(values), tmp_path / f"a.{suffix}")
    assert np.array_equal(pixels(path)[..., 1], np.round(values / 257).astype(np.uint8))
    assert "sixteen-bit" in decoded(path).conversions


def test_sixteen_bit_colour_keeps_its_high_byte(tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (8, 9, 3)).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in values)
    path = png(tmp_path / "a.png", 9, 8, 16, 2, raw)
    assert np.array_equal(pixels(path), values >> 8)
    assert np.abs(pixels(path) - values / 257).max() <= 1
    assert decoded(path).conversions == ("sixteen-bit",)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_composited_over_white(tmp_path, mode):
    image = noise(1).convert(mode)
    alpha = np.tile(np.arange(50, dtype=np.uint8) * 5, (40, 1))
    image.putalpha(Image.fromarray(alpha))
    path = save(image, tmp_path / "a.png")
    colour = np.asarray(image.convert("RGBA"))[..., :3].astype(float)
    opaque = alpha[..., None] / 255
    assert np.abs(pixels(path) - (colour * opaque + 255 * (1 - opaque))).max() <= 1
    assert "alpha" in decoded(path).conversions


def test_a_palette_is_looked_up_and_its_transparent_colour_becomes_white(tmp_path):
    image = corners().quantize(4)
    assert np.array_equal(pixels(save(image, tmp_path / "a.png")), np.asarray(corners()))
    red = image.getpixel((0, 0))
    path = save(image, tmp_path / "b.gif", transparency=red)
    assert pixels(path)[0, 0].tolist() == [255, 255, 255]
    assert pixels(path)[0, -1].tolist() == [0, 255, 0]
    assert decoded(path).conversions == ("palette", "alpha")


def test_cmyk_is_converted_and_not_inverted(tmp_path):
    path = save(corners().convert("CMYK"), tmp_path / "a.jpg", quality=95)
    assert np.abs(pixels(path)[5, 5].astype(int) - [255, 0, 0]).max() < 12
    assert decoded(path).conversions == ("cmyk",)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_exif_orientation_is_applied(tmp_path, orientation, suffix):
    stored = corners()
    if orientation > 1:
        stored = stored.transpose(Image.Transpose[TURNED[orientation]])
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(stored, tmp_path / f"a.{suffix}", exif=exif)
    difference = np.abs(pixels(path).astype(int) - np.asarray(corners()))
    assert np.median(difference) == 0
    assert difference[2:10, 2:10].max() < 20
    assert difference[-10:-2, -10:-2].max() < 20
    assert decoded(path).conversions == (("exif-rotation",) if orientation > 1 else ())


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_of_an_animation_the_first_frame_is_taken(tmp_path, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(corners(), tmp_path / f"a.{suffix}", save_all=True, append_images=[noise(1, 40, 60)], **options)
    assert np.array_equal(pixels(path), np.asarray(corners()))
    assert "animated" in decoded(path).conversions


def test_a_camera_jpeg_with_a_preview_inside_is_not_called_animated(tmp_path):
    path = save(corners(), tmp_path / "a.mpo", save_all=True, append_images=[noise(1, 40, 60)])
    assert decoded(path).format == "MPO"
    assert decoded(path).conversions == ()


def test_other_colour_spaces_are_converted(tmp_path):
    path = save(corners().convert("LAB"), tmp_path / "a.tif")
    assert decoded(path).conversions == ("other-colour-space",)
    assert np.abs(pixels(path)[5, 5].astype(int) - [255, 0, 0]).max() < 12


@pytest.mark.parametrize("values", [np.full((4, 4), 0.5, np.float32), np.full((4, 4), 1_000_000, np.int32)])
def test_values_of_unknown_range_are_refused(tmp_path, values):
    path = save(Image.fromarray(values), tmp_path / "a.tif")
    with pytest.raises(Undecodable, match="convert it to 8 bits") as error:
        decoded(path)
    assert error.value.name == "unsupported-mode"


@pytest.mark.parametrize("part", [0.05, 0.3, 0.9, 0.98])
def test_a_truncated_jpeg_is_refused(tmp_path, part):
    path = truncated_jpeg(tmp_path / "a.jpg", part)
    with pytest.raises(Undecodable) as error:
        decoded(path)
    assert error.value.name == "truncated"
    with pytest.raises(UserError, match=r"a\.jpg ends early or is damaged"):
        read_rgb(path)


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp", "webp", "tif"])
def test_any_format_cut_in_half_is_refused(tmp_path, suffix):
    path = save(noise(1), tmp_path / f"a.{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(Undecodable) as error:
        decoded(path)
    assert error.value.name in ("truncated", "not-an-image")


@pytest.mark.parametrize("content", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_what_is_no_image_is_refused_whatever_its_name(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(Undecodable) as error:
        decoded(path)
    assert error.value.name == "not-an-image"
    with pytest.raises(UserError, match=r"a\.png is not an image"):
        read_rgb(path)


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path):
    for side in (10_000, 60_000):  # below and above the size where Pillow itself raises
        path = png(tmp_path / "bomb.png", side, side, 8, 2, b"\0" * 100)
        with pytest.raises(Undecodable) as error:
            decoded(path)
        assert error.value.name == "decompression-bomb"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"There is no image file .*nowhere\.png"):
        read_rgb(tmp_path / "nowhere.png")


def test_damaged_exif_does_not_lose_the_image(tmp_path):
    path = save(noise(1), tmp_path / "a.png", exif=b"Exif\0\0II*\0garbage beyond reason")
    assert np.array_equal(pixels(path), np.asarray(noise(1)))


def test_every_conversion_is_stated():
    assert set(CONVERSIONS) == {
        "greyscale", "cmyk", "palette", "alpha", "sixteen-bit", "other-colour-space", "exif-rotation", "animated",
        "array",
    }  # fmt: skip


@pytest.mark.parametrize(("height", "width"), [(64, 64), (100, 64), (37, 141), (300, 200), (20, 33)])
@pytest.mark.parametrize("size", [32, 64, 65])
def test_square_is_torchvisions_resize_and_centre_crop(height, width, size):
    image = noise(height + width, height, width)
    theirs = v2.Compose([v2.Resize(size), v2.CenterCrop(size)])(image)
    assert np.array_equal(np.asarray(square(image, size)), np.asarray(theirs))


@pytest.mark.parametrize(("size", "crop"), [(256, 224), (64, 48)])
def test_a_crop_of_the_packed_square_is_the_crop_that_pretrained_networks_expect(size, crop):
    for width in (300, 301, 302, 303):
        image = noise(width, 280, width)
        theirs = v2.Compose([v2.Resize(size), v2.CenterCrop(crop)])(image)
        ours = centre_crop(np.asarray(square(image, size)), crop)
        assert np.array_equal(ours, np.asarray(theirs))


def test_square_of_a_very_long_image_stays_small():
    assert square(Image.new("RGB", (1, 3_000_000)), 256).size == (256, 256)
    image = noise(3, 10, 95)
    middle = image.crop((27, 0, 67, 10))
    assert np.array_equal(np.asarray(square(image, 10)), np.asarray(square(middle, 10)))


def test_centre_crop_is_of_the_last_three_axes_and_refuses_what_does_not_fit():
    array = np.arange(2 * 6 * 8 * 3).reshape(2, 6, 8, 3)
    assert np.array_equal(centre_crop(array, 4), array[:, 1:5, 2:6])
    theirs = v2.CenterCrop(4)(torch.from_numpy(array).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    assert np.array_equal(centre_crop(array, 4), theirs.numpy())
    with pytest.raises(ValueError, match="cannot cut 7 x 7 from 6 x 8"):
        centre_crop(array, 7)
