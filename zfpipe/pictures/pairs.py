"""A unit as one picture: projections beside patches, for a notebook."""

import numpy as np
from PIL import Image

from zfpipe.data.channels import shown
from zfpipe.files.reconstruction import inside_image
from zfpipe.pictures.crops import fit_tile
from zfpipe.pictures.ranges import unit_pixels

PAIR, ACROSS, GAP = 260, 3, 8  # pixels that a pair is about wide, pairs in a row, pixels between pairs


def pairs_picture(
    projections: np.ndarray, patches: np.ndarray, boxes: np.ndarray, input_size: tuple[int, int], scale: int | None
) -> Image.Image:
    """Return the pairs of a unit, three in a row, strongest first: projection left of patch, zero as mid-grey.

    projections (n, h, w, C) float32, patches (n, h, w, C) uint8, boxes (n, 4). What lies past the border of the image
    is hatched. `scale` pixels for each pixel of the input; None: as many as make a pair about PAIR wide. Without any
    pair (a dead unit) the picture is one blank pair.
    """
    count, height, width = patches.shape[:3]
    scale = scale or max(1, round(PAIR / (2 * width)))
    size = height * scale, width * scale
    rows, columns = max(1, -(-count // ACROSS)), max(1, min(count, ACROSS))
    page = np.full((rows * (size[0] + GAP) - GAP, columns * (2 * size[1] + GAP) - GAP, 3), 255, np.uint8)
    if count:
        inside = np.stack([inside_image(box, input_size) for box in boxes])
        both = unit_pixels(shown(projections), inside), shown(patches)
        for number, box in enumerate(boxes):
            top, left = number // ACROSS * (size[0] + GAP), number % ACROSS * (2 * size[1] + GAP)
            for side, pixels in enumerate(both):
                start = left + side * size[1]
                page[top : top + size[0], start : start + size[1]] = fit_tile(pixels[number], size, box, input_size)
    return Image.fromarray(page)
