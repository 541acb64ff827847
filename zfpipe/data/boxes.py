"""Parts of images, such as eyes: a table of boxes in pixels of the image files."""

import csv
from collections.abc import Iterable
from pathlib import Path

from zfpipe.data.places import Box, in_crop
from zfpipe.data.sizes import Size
from zfpipe.errors import UserError, nearest

COLUMNS = ("image", "part", "top", "left", "bottom", "right")


def read_boxes(path: str | Path, images: Iterable[str]) -> dict[str, dict[str, Box]]:
    """Return the boxes (top, left, bottom, right) of each image's parts: {image: {part: box}}, parts in one order.

    Raises UserError, naming file and line, for a table without the columns, a number that is none, an empty box, an
    image that nobody named, a part that is there twice, and an image that lacks a part that another has.
    """
    images = list(images)
    found: dict[str, dict[str, Box]] = {name: {} for name in images}
    for number, row in enumerate(_rows(path), start=2):
        image, part = (row[key].strip() for key in ("image", "part"))
        if image not in found:
            hint = nearest(image, images)
            raise UserError(
                f"{path}, line {number}: no image is called {image!r}{hint}; there are {', '.join(images)}."
            )
        if not part or part in found[image]:
            what = f"has the part {part!r} twice" if part else "names no part"
            raise UserError(f"{path}, line {number}: the image {image!r} {what}; give one box a part.")
        found[image][part] = _box(row, path, number)
    parts = dict.fromkeys(part for boxes in found.values() for part in boxes)
    for image, boxes in found.items():
        missing = [part for part in parts if part not in boxes]
        if missing or not parts:
            lacks = f"the part {missing[0]!r}, which another image has" if missing else "boxes"
            raise UserError(f"{path}: the image {image!r} lacks {lacks}; every image needs a box for every part.")
    return {image: {part: boxes[part] for part in parts} for image, boxes in found.items()}


def pixel_box(box: Box, image_size: Size, packed_size: Size, input_size: Size, what: str) -> tuple[int, int, int, int]:
    """Return a box of an image's pixels as whole pixels of the network's input (see `in_crop`).

    Raises UserError, naming the box by `what`, if it leaves the image or the part that the network sees, or is less
    than a pixel there.
    """
    height, width = image_size
    said = f"{what} is {', '.join(f'{edge:g}' for edge in box)} (top, left, bottom, right)"
    if min(box[:2]) < 0 or box[2] > height or box[3] > width:
        raise UserError(f"{said}, outside its image of {height} x {width} pixels (height x width).")
    top, left, bottom, right = (round(edge) for edge in in_crop(box, image_size, packed_size, input_size))
    if min(top, left) < 0 or bottom > input_size[0] or right > input_size[1]:
        raise UserError(
            f"{said}, which leaves what the network sees of the image: the middle, {input_size[0]} x {input_size[1]} "
            f"of {packed_size[0]} x {packed_size[1]}; cut the image so that the part is well inside."
        )
    if top == bottom or left == right:
        raise UserError(f"{said}, less than a pixel of the network's input; cut the image closer.")
    return top, left, bottom, right


def _rows(path: str | Path) -> list[dict[str, str]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or []  # read while the file is open
            rows = list(reader)
    except FileNotFoundError as error:
        raise UserError(f"There is no table of boxes {path}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is no CSV: {error}.") from error
    absent = [name for name in COLUMNS if name not in names]
    if absent:
        raise UserError(f"{path} lacks the column {absent[0]!r}; its first line has to be {','.join(COLUMNS)}.")
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise UserError(f"{path}, line {number}, has not as many cells as the first line.")
    return rows


def _box(row: dict[str, str], path: str | Path, number: int) -> Box:
    try:
        top, left, bottom, right = (float(row[key]) for key in COLUMNS[2:])
    except ValueError as error:
        raise UserError(f"{path}, line {number}: {error}; edges are numbers of pixels.") from error
    if not (top < bottom < float("inf") and left < right < float("inf")):
        raise UserError(f"{path}, line {number}: the box is empty; top is less than bottom, and left less than right.")
    return top, left, bottom, right
