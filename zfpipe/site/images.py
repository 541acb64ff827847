"""The images that some unit has among its strongest: shown whole, and found again from each of its patches."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zfpipe.data.channels import shown
from zfpipe.data.decode import centre_crop
from zfpipe.data.names import printable
from zfpipe.data.packed import Packed
from zfpipe.site.sheets import Sheets, fitting

LARGEST = 160  # side in pixels at which a whole image is kept, at most
PIXELS = 100_000_000  # of all of them, about 25 MB as JPEG
AT_ONCE = 64  # images read in one go
FEWER = 400_000  # pixels of a sheet: a unit's nine images lie in nine sheets


def write_images(
    folder: Path,
    packed: Packed,
    layers: Sequence[dict[str, Any]],
    input_size: tuple[int, int],
    channels: list[int] | None,
) -> dict[str, Any]:
    """Write the sheets of all images that occur in `layers` (facts of `write_layer`); return what the page needs.

    That is, for each image: its index, path and label, and its entries as [layer, place of the unit, rank].
    """
    entries = _entries(layers)
    indices = sorted(entries)
    cell = fitting(input_size, len(indices), PIXELS, LARGEST)
    sheets = Sheets(folder, "image", cell, 1, 1, pixels=FEWER)
    for start in range(0, len(indices), AT_ONCE):
        images = centre_crop(packed.read_rows(indices[start : start + AT_ONCE]), input_size)
        for image in shown(images, channels):
            sheets.add(_resized(image, cell)[None])
    sheets.flush()
    return {
        "index": indices,
        "path": [printable(packed.paths[index]) for index in indices],
        "label": [int(packed.labels[index]) for index in indices],
        "entries": [entries[index] for index in indices],
        "sheets": sheets.layout(),
        "size": list(input_size),
    }


def _entries(layers: Sequence[dict[str, Any]]) -> dict[int, list[list[int]]]:
    """Return, by image, every place where it stands: layers in order, then units, then ranks."""
    found: dict[int, list[list[int]]] = {}
    for number, layer in enumerate(layers):
        for place, (indices, count) in enumerate(zip(layer["image_index"], layer["count"], strict=True)):
            for rank, index in enumerate(indices[:count]):
                found.setdefault(index, []).append([number, place, rank])
    return found


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[:2] == size:
        return image
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.LANCZOS))
