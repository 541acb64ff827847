"""One image that a user names: a file, or one of the photographs that ship."""

import numpy as np

from zfpipe.data.channels import read_file
from zfpipe.data.decode import Undecodable, centre_crop, decode
from zfpipe.data.photographs import PHOTOGRAPHS, locate
from zfpipe.data.sizes import Size
from zfpipe.errors import UserError, require_one_of

SHIPPED = "photographs:"


def read_one(image: str, packed_size: Size, input_size: Size, channels: int) -> np.ndarray:
    """Return an image as a network sees it, (H, W, channels) uint8: resized as packed images are, its centre cut out.

    `image` is a file, or photographs:NAME. Raises UserError if it is not there or no image.
    """
    return centre_crop(read_file(_path(image), packed_size, channels), input_size)


def size_of_image(image: str) -> Size:
    """Return height and width in pixels of a named image, upright. Raises UserError if it is not there or no image."""
    path = _path(image)
    try:
        with open(path, "rb") as file:
            width, height = decode(file).image.size
    except FileNotFoundError as error:
        raise UserError(f"There is no image file {path}.") from error
    except Undecodable as error:
        raise UserError(f"{path} {error}.") from error
    return height, width


def name_of(image: str) -> str:
    """Return what to call an image: the file's name, or the photograph's."""
    return image.rsplit("/", 1)[-1].removeprefix(SHIPPED)


def names_of(images: list[str], names: list[str] | None) -> list[str]:
    """Return what to call images that a command names: `names`, or each one's own.

    Raises UserError if there is not one name for each, or one for two.
    """
    if names and len(names) != len(images):
        raise UserError(f"--name has {len(names)} entries for {len(images)} images; give one for each.")
    names = names or [name_of(image) for image in images]
    if len(set(names)) < len(names):
        raise UserError(f"Two images have one name ({', '.join(names)}); give each its own with --name.")
    return names


def _path(image: str) -> str:
    if not image.startswith(SHIPPED):
        return image
    name = image.removeprefix(SHIPPED)
    require_one_of("the photograph", name, PHOTOGRAPHS)
    return str(locate(name))
