"""Sizes of images: (height, width) everywhere inside; one number for a square where people write and read it."""

from argparse import ArgumentTypeError
from collections.abc import Sequence

Size = tuple[int, int]


def pair(size: int | Sequence[int]) -> Size:
    """Return (height, width) from one number, or from the two."""
    if isinstance(size, (int, float)):
        return int(size), int(size)
    height, width = (int(side) for side in size)
    return height, width


def shortest(size: int | Sequence[int]) -> int | list[int]:
    """Return a square's side alone, else [height, width]: as it stands in a config or a model file."""
    height, width = pair(size)
    return height if height == width else [height, width]


def size_name(size: int | Sequence[int]) -> str:
    """Return '256' for a square, else '219x292' (height x width): as it stands in a file's name."""
    height, width = pair(size)
    return str(height) if height == width else f"{height}x{width}"


def size_of(text: str) -> Size:
    """Return (height, width) from '256' or '219x292': the other way round, for a command line's argument."""
    try:
        return pair([int(side) for side in text.split("x")] if "x" in text else int(text))
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no size; it is 256, or 219x292 (height x width)") from error


def packed_for(input_size: int | Sequence[int]) -> Size:
    """Return the packed size for an input, 8/7 of it: the paper's 256 for 224."""
    height, width = (-(-side * 8 // 7) for side in pair(input_size))
    return height, width


def fits(inner: int | Sequence[int], outer: int | Sequence[int]) -> bool:
    """Whether a crop of size `inner` can be cut from an image of size `outer`."""
    return all(a <= b for a, b in zip(pair(inner), pair(outer), strict=True))
