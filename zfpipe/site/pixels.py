"""Pictures of a unit as pixels for the page, and a small measure of how two units look alike."""

import io

import numpy as np
from PIL import Image

from zfpipe.data.channels import shown
from zfpipe.files.reconstruction import Reconstruction, inside_image
from zfpipe.pictures.ranges import GREY, symmetric_scale, to_pixels, unit_pixels

QUALITY = 85  # of JPEG
LOOK = 8  # side in pixels at which two units' mean projections are compared


def unit_cells(
    found: Reconstruction, position: int, channels: list[int] | None, quantile: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return projections and patches of the unit in row `position`, each (n, h, w, 3) uint8 of its n entries.

    Zero is mid-grey; each projection is scaled by its own quantile of |projection|, as in the figures.
    """
    ranks = np.flatnonzero(found.present[position])
    projections = shown(found.projection(position)[ranks], channels)
    patches = shown(found.patch(position)[ranks], channels)
    if not len(ranks):
        return projections.astype(np.uint8), patches
    inside = np.stack([inside_image(box, found.input_size) for box in found.box[position][ranks]])
    return unit_pixels(projections, inside, "patch", quantile), patches


def smaller(cells: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return cells (n, h, w, 3) uint8 at a smaller `size`, each filtered by itself."""
    count, height, width = cells.shape[:3]
    if not count or (height, width) == size:
        return cells[:, : size[0], : size[1]]
    # One below the other: a box of this filter ends where a cell ends.
    pile = Image.fromarray(cells.reshape(count * height, width, 3))
    small = np.asarray(pile.resize((size[1], count * size[0]), Image.Resampling.BOX))
    return small.reshape(count, *size, 3)


def smaller_projections(cells: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return projections (n, h, w, 3) uint8 around mid-grey at a smaller `size`, each at full strength again.

    A filter makes thin bright lines faint, so each is scaled by its own quantile a second time.
    """
    if not len(cells) or cells.shape[1:3] == size:
        return smaller(cells, size)
    signed = smaller(cells, size).astype(np.int16) - GREY
    return np.stack([to_pixels(each, symmetric_scale(each)) for each in signed])


def look(projections: np.ndarray) -> np.ndarray:
    """Return how a unit looks, (LOOK * LOOK * 3,) int8: the mean of its projections, made small, of one length.

    `projections` (n, h, w, 3) uint8 around mid-grey. The cosine of two looks says how alike two units are.
    """
    if not len(projections):
        return np.zeros(LOOK * LOOK * 3, np.int8)
    mean = (smaller(projections, (LOOK, LOOK)).astype(np.float64) - GREY).mean(axis=0).ravel()
    largest = np.abs(mean).max()
    return np.rint(127 * mean / largest).astype(np.int8) if largest else mean.astype(np.int8)


def encoded(picture: Image.Image, lossless: bool) -> bytes:
    """Return an RGB picture as the bytes of a PNG or a JPEG; the same pixels give the same bytes."""
    file = io.BytesIO()
    if lossless:
        picture.save(file, "PNG")
    else:
        picture.save(file, "JPEG", quality=QUALITY)  # to optimise it takes longer, and gains little
    return file.getvalue()
