"""Images of any number of channels: 1 is grey, 3 is RGB, any other number comes as an array (H, W, C) of uint8."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from zfpipe.data.decode import Undecodable, decode, square
from zfpipe.data.sizes import Size
from zfpipe.errors import UserError

MOST = 1024  # channels; more is a picture that was stored the wrong way round


def read_pixels(data: bytes, size: Size, channels: int) -> np.ndarray:
    """Decode a file's bytes, resize to cover `size` (height, width) and cut the centre: (h, w, channels) uint8.

    Grey (1) and RGB (3) come from any image; any other number from a .npy array (H, W, channels) of uint8.
    Raises Undecodable, with the reason.
    """
    if channels in (1, 3) and not data.startswith(np.lib.format.MAGIC_PREFIX):
        image = decode(io.BytesIO(data)).image
        return np.atleast_3d(np.asarray(cover(image.convert("L") if channels == 1 else image, size)))
    array = load_array(data)
    if array.shape[2] != channels:
        raise Undecodable("channels", f"holds {array.shape[2]} channels, and the data set's `channels` says {channels}")
    planes = [np.asarray(cover(Image.fromarray(array[:, :, c]), size)) for c in range(channels)]
    return np.stack(planes, axis=2)


def read_file(path: str | Path, size: Size, channels: int) -> np.ndarray:
    """Read one image file as `read_pixels` does. Raises UserError, naming the file and the reason."""
    if not Path(path).is_file():
        raise UserError(f"There is no image file {path}.")
    try:
        return read_pixels(Path(path).read_bytes(), size, channels)
    except Undecodable as error:
        raise UserError(f"{path} {error}.") from error


def load_array(data: bytes) -> np.ndarray:
    """Return the array (H, W, C) uint8 of a .npy file's bytes; (H, W) gets one channel. Pickles are never loaded."""
    try:
        # Not np.load, which opens an archive of arrays too.
        array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except Exception as error:
        raise Undecodable(
            "not-an-image",
            "is no .npy array of plain numbers; images of other than 1 or 3 channels are arrays (H, W, C) of uint8",
        ) from error
    array = array[:, :, None] if array.ndim == 2 else array
    if array.dtype != np.uint8 or array.ndim != 3 or 0 in array.shape or array.shape[2] > MOST:
        raise Undecodable(
            "unsupported-mode", f"is an array {array.shape} of {array.dtype}; it has to be (H, W, C) of uint8"
        )
    return np.ascontiguousarray(array)


def cover(image: Image.Image, size: Size) -> Image.Image:
    """Resize an image so that it just covers `size` (height, width), antialiased bilinear, and cut the centre.

    For a square that is `decode.square`. Only the middle of the image that is kept is resized.
    """
    height, width = size
    if height == width:
        return square(image, height)
    across, down = image.size  # of the image, what is kept: the whole of one side, and of the other
    if image.width * height < image.height * width:
        down = image.width * height / width
    else:
        across = image.height * width / height
    # From both ends, so that rounding cannot take the box past the image.
    left, top = (image.width - across) / 2, (image.height - down) / 2
    box = (left, top, image.width - left, image.height - top)
    return image.resize((width, height), Image.Resampling.BILINEAR, box=box)


def shown_channels(asked: list[int] | None, count: int) -> list[int]:
    """Return the channels, at most three, that are shown of images with `count`. Raises UserError for others."""
    chosen = list(range(min(count, 3))) if asked is None else asked
    if len(chosen) > 3 or not all(0 <= channel < count for channel in chosen):
        raise UserError(
            f"figure.channels is {chosen}; the images have {count}, so it can be one to three of 0 to {count - 1}."
        )
    return chosen


def say_channels(asked: list[int] | None, count: int) -> str:
    """Return the sentence that says which channels a figure shows."""
    chosen = shown_channels(asked, count)
    if len(chosen) == 1:
        return f"Of {count} channels, {chosen[0]} is shown, as grey."
    colours = ", ".join(f"{channel} as {name}" for channel, name in zip(chosen, ("red", "green", "blue"), strict=False))
    return f"Of {count} channels, shown: {colours}."


def shown(pixels: np.ndarray, channels: list[int] | None = None, empty: int = 0) -> np.ndarray:
    """Return pixels (..., C) as RGB (..., 3): the stated `channels` as red, green and blue.

    The default is the first three; one channel is shown as grey. Of two the blue is left `empty` in pixels, and is the
    mean of both in signed values (projections, filters), so that their strength is seen and not a third colour.
    What is RGB as it stands comes back itself, not a copy.
    """
    count = pixels.shape[-1]
    chosen = list(range(min(count, 3))) if channels is None else channels
    if count == 3 and chosen == [0, 1, 2]:
        return pixels
    if len(chosen) == 1:
        chosen = chosen * 3
    out = np.full((*pixels.shape[:-1], 3), empty, pixels.dtype)
    for place, channel in enumerate(chosen[:3]):
        out[..., place] = pixels[..., channel]
    if len(chosen) == 2 and np.issubdtype(pixels.dtype, np.floating):
        out[..., 2] = out[..., :2].mean(axis=-1)
    return out
