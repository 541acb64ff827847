"""An image as it is packed, from a file that is the one that was checked."""

import hashlib
from pathlib import Path

import numpy as np

from zfpipe.data.channels import read_pixels
from zfpipe.data.decode import Undecodable
from zfpipe.data.sizes import Size
from zfpipe.errors import UserError


def packed_image(path: Path, sha256: str, size: Size, channels: int) -> np.ndarray:
    """Return one image of a manifest, which says its file's `sha256`: (*size, channels) uint8.

    Raises UserError if the file is not the one that was checked.
    """
    try:
        data = path.read_bytes()  # once: what is decoded is what was verified
    except OSError as error:
        raise UserError(f"Cannot read {path}, which the manifest lists: {error.strerror or error}.") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise UserError(f"{path} has changed since the manifest was written; run `zfpipe check` again.")
    try:
        return read_pixels(data, size, channels)
    except Undecodable as error:
        raise UserError(f"{path} {error}.") from error
