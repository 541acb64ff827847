"""The one door by which every image enters: any file in, upright 8-bit RGB out, every conversion named."""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from zfpipe.data.sizes import Size, pair
from zfpipe.errors import UserError

Image.init()  # all plugins now: Pillow loads them on first need, which is not safe in several threads at once
# Readers that only decode pixels. Pillow knows more, some of which start other programs (EPS: Ghostscript).
WANTED = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "TGA", "AVIF")
FORMATS = tuple(name for name in WANTED if name in Image.OPEN)  # a Pillow may be built without some
MAX_PIXELS = 89_478_485  # Pillow's own limit (a quarter of a GiB as RGB); more is a decompression bomb
LONGEST = 4  # an image longer than this many times its shorter side is cut before it is resized
ORIENTATION = 0x0112  # the EXIF tag
CONVERSIONS = {
    "greyscale": "one channel, copied into three equal ones",
    "cmyk": "converted to RGB by the plain formula (no colour profile is applied)",
    "palette": "each index replaced by its palette colour",
    "alpha": "composited over white",
    "sixteen-bit": "divided by 257 (of 16-bit colour the high byte is kept, which is within one level)",
    "other-colour-space": "converted to RGB by Pillow",
    "exif-rotation": "turned upright as its EXIF orientation says",
    "animated": "only the first frame is used",
    "array": "a .npy array; its first three channels are looked at as red, green and blue",
}
MAGIC = np.lib.format.MAGIC_PREFIX
# We look at the pixel count ourselves, in every thread; Pillow's warning would only print it twice.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class Undecodable(Exception):
    """An image that cannot enter: the finding's name, and as message the reason without the file's name."""

    def __init__(self, name: str, reason: str):
        super().__init__(reason)
        self.name = name


@dataclass(frozen=True)
class Decoded:
    """An upright 8-bit RGB image, and the conversions (keys of CONVERSIONS) that it took to get there."""

    image: Image.Image
    conversions: tuple[str, ...]
    format: str
    mode: str


def read_rgb(path: str | Path) -> Image.Image:
    """Read one image file as upright 8-bit RGB.

    EXIF orientation is applied; grey becomes three equal channels; CMYK and palettes are converted; alpha is
    composited over white; 16-bit values are divided by 257; of an animation the first frame is taken.
    Raises UserError, naming the file and the reason.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no image file {path}.")
    try:
        with open(path, "rb") as file:
            return decode(file).image
    except Undecodable as error:
        raise UserError(f"{path} {error}.") from error


def decode(file: BinaryIO) -> Decoded:
    """Decode an open image file fully. Raises Undecodable with the finding's name and the reason.

    Of an array (.npy) the first three channels are the image; `channels.read_pixels` takes all of them.
    """
    start = file.tell()
    if file.read(len(MAGIC)) == MAGIC:
        file.seek(start)
        return _decode_array(file.read())
    file.seek(start)
    opened = _open(file)
    width, height = opened.size
    if width * height > MAX_PIXELS:
        raise Undecodable(
            "decompression-bomb",
            f"claims {width} x {height} pixels, more than {MAX_PIXELS}, and is not decoded",
        )
    sixteen = _is_sixteen_bit(opened)  # before load(), which forgets the raw mode
    animated = opened.format != "MPO" and getattr(opened, "is_animated", False)
    turned = opened.format == "TIFF" and _is_turned(opened)  # load() turns a TIFF by itself
    try:
        opened.load()
        turned = turned or _is_turned(opened)
        upright = ImageOps.exif_transpose(opened) if turned else opened
    except Exception as error:  # of many kinds; each means that the pixels did not all come
        raise Undecodable("truncated", f"ends early or is damaged ({_first_line(error)})") from error
    image, conversions = _to_rgb(upright, sixteen)
    extra = [name for name, found in (("exif-rotation", turned), ("animated", animated)) if found]
    return Decoded(image, (*conversions, *extra), opened.format or "", opened.mode)


def _decode_array(data: bytes) -> Decoded:
    from zfpipe.data.channels import load_array, shown  # here, since that module stands on this one

    array = load_array(data)
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise Undecodable("decompression-bomb", f"holds more than {MAX_PIXELS} pixels, and is not decoded")
    return Decoded(Image.fromarray(shown(array)), ("array",), "NPY", f"{array.shape[2]} channels")


def square(image: Image.Image, size: int) -> Image.Image:
    """Resize the shorter side to `size` pixels (antialiased bilinear) and cut the centre square.

    These are torchvision's Resize and CenterCrop to the bit, up to an aspect ratio of 4.
    """
    image = _not_too_long(image)
    short = min(image.size)
    width, height = (size if side == short else int(size * side / short) for side in image.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    if width > size:  # Pillow resizes across, then down: what is cut off at the sides need not be resized down
        image = image.resize((width, image.height), Image.Resampling.BILINEAR)
        image = image.crop((left, 0, left + size, image.height))
    image = image.resize((size, height), Image.Resampling.BILINEAR)
    return image if height == size else image.crop((0, top, size, top + size))


def centre_crop(array: np.ndarray, size: int | Size) -> np.ndarray:
    """Cut the centre of `size` (one side, or height and width) from an array (..., H, W, C), as a view."""
    height, width = array.shape[-3:-1]
    down, across = pair(size)
    if down > height or across > width:
        raise ValueError(f"cannot cut {down} x {across} from {height} x {width}")
    top, left = round((height - down) / 2), round((width - across) / 2)
    return array[..., top : top + down, left : left + across, :]


def _open(file: BinaryIO) -> Image.Image:
    try:
        return Image.open(file, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise Undecodable("not-an-image", "is not an image that zfpipe reads") from error
    except Image.DecompressionBombError as error:
        raise Undecodable("decompression-bomb", f"is too large to decode ({_first_line(error)})") from error
    except Exception as error:  # a header that only starts well
        raise Undecodable("truncated", f"ends early or is damaged ({_first_line(error)})") from error


def _is_turned(image: Image.Image) -> bool:
    try:
        return image.getexif().get(ORIENTATION) not in (None, 0, 1)
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return False


def _is_sixteen_bit(image: Image.Image) -> bool:
    """Tell 16-bit colour from its raw mode: Pillow gives it mode RGB, as if it had been 8-bit."""
    return image.mode.startswith("I") or any(re.search(r"(RGBA?|RGBX|LA|L);16[BLN]", str(t)) for t in image.tile)


def _to_rgb(image: Image.Image, sixteen: bool) -> tuple[Image.Image, tuple[str, ...]]:
    done = ["sixteen-bit"] if sixteen else []
    mode, transparent = image.mode, image.has_transparency_data
    if mode == "F":
        raise Undecodable("unsupported-mode", "holds floating-point values of unknown range; convert it to 8 bits")
    if mode.startswith("I"):
        return _from_integers(image), (*done, "greyscale")
    if mode in ("1", "L", "LA", "La"):
        done.append("greyscale")
    elif mode in ("P", "PA"):
        done.append("palette")
    elif mode == "CMYK":
        done.append("cmyk")
    elif mode not in ("RGB", "RGBA", "RGBa", "RGBX"):
        done.append("other-colour-space")
    if transparent:
        return _over_white(image), (*done, "alpha")
    return image if mode == "RGB" else image.convert("RGB"), tuple(done)  # convert() would copy


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode in ("La", "RGBa"):  # premultiplied
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _from_integers(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise Undecodable("unsupported-mode", "holds 32-bit values beyond 16 bits; convert it to 8 bits")
    grey = ((values + 128) // 257).astype(np.uint8)  # rounds to nearest: 257 is odd, so there are no ties
    return Image.fromarray(np.repeat(grey[:, :, None], 3, axis=2))


def _not_too_long(image: Image.Image) -> Image.Image:
    """Cut the middle out of a very long image: resized whole, a strip 1 pixel high would fill the memory."""
    short = min(image.size)
    width, height = (min(side, LONGEST * short) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image if (width, height) == image.size else image.crop((left, top, left + width, top + height))


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).split("\n")[0]
