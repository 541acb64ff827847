"""Where a pixel of an image file stands in what a network sees of it."""

from zfpipe.data.decode import LONGEST
from zfpipe.data.sizes import Size

Box = tuple[float, float, float, float]


def in_crop(box: Box, image_size: Size, packed_size: Size, input_size: Size) -> Box:
    """Return a box (top, left, bottom, right) of an image's pixels as one of the network's input, not rounded.

    `image_size` is (height, width) of the upright image; it is resized to cover `packed_size` and cut, and the middle
    of `input_size` is cut out of that, as packed images are. A box outside has edges below 0 or beyond the input.
    """
    edges = [0.0] * 4
    for axis in (0, 1):
        scale, offset = _axis(axis, image_size, packed_size)
        cut = round((packed_size[axis] - input_size[axis]) / 2)
        edges[axis], edges[axis + 2] = (scale * edge - offset - cut for edge in (box[axis], box[axis + 2]))
    return tuple(edges)


def _axis(axis: int, image_size: Size, packed_size: Size) -> tuple[float, float]:
    """Return pixels of the packed image to one of the file along an axis, and where its first one stands."""
    side, target = image_size[axis], packed_size[axis]
    if packed_size[0] != packed_size[1]:
        scale = 1 / min(whole / part for whole, part in zip(image_size, packed_size, strict=True))
        return scale, scale * (side - target / scale) / 2
    short = min(image_size)
    kept = min(side, LONGEST * short)
    resized = target if side == short else int(target * kept / short)
    scale = resized / kept
    return scale, scale * ((side - kept) // 2) + round((resized - target) / 2)
