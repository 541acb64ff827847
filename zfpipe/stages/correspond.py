"""Mask the same part of several images and see how alike a network's features change (paper, section 4.3 and table 1).

For each image i, a box grey: eps_i = x_i - masked x_i, the change of a layer's feature vector, which is its whole
map. Delta = sum over i != j of Hamming(sign eps_i, sign eps_j): lower is a tighter correspondence. The paper leaves
open what Hamming counts, what a mask is filled with, and what its spread is over. Here Hamming is the share of all
places where the two signs differ, and 0 (nothing changed) differs from both 1 and -1; a mask is mid-grey, 128; mean
and standard deviation are over the pairs of images and, for random boxes, over the draws too. A random box has the
size that the part has in the same image, and may fall anywhere in it. Small boxes change few places and so come out
lower: a part is compared with random boxes of its own size; the column `changed` is the share of places that change
at all.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zfpipe.data.batches import seed_for
from zfpipe.data.boxes import pixel_box, read_boxes
from zfpipe.data.channels import shown
from zfpipe.data.one_image import names_of, read_one, size_of_image
from zfpipe.errors import UserError
from zfpipe.files.csv_text import cells, csv_text
from zfpipe.files.whole import write_text
from zfpipe.nets.correspondence import Signs, hamming, masked, papers_layers
from zfpipe.nets.device import add_device_arguments, prepare_device
from zfpipe.nets.models import Model, load_model
from zfpipe.nets.trace import trace
from zfpipe.pictures.correspondences import draw_correspondence
from zfpipe.progress import progress, say

COLUMNS = ("layer", "part", "masked", "draws", "pairs", "delta", "mean", "std", "changed")


@dataclass(frozen=True)
class Marked:
    """An image as the network sees it, (H, W, C) uint8, and boxes in it: the parts' own, and random ones a draw."""

    pixels: np.ndarray
    parts: dict[str, tuple[int, int, int, int]]
    random: list[dict[str, tuple[int, int, int, int]]]

    @property
    def boxes(self) -> list[tuple[int, int, int, int]]:
        """All boxes: the parts in their order, then those of each draw in the same order."""
        return [box for each in (self.parts, *self.random) for box in each.values()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe correspond`."""
    add = parser.add_argument
    add("--model", required=True, metavar="PT", help="model file of the stage train")
    add("--image", nargs="+", required=True, help="image files, or photographs:NAME for those that ship; 2 or more")
    add("--name", nargs="+", metavar="NAME", help="what the table of boxes calls them (default: the files' names)")
    add("--boxes", required=True, metavar="CSV", help="image,part,top,left,bottom,right in pixels of the image files")
    add(
        "--layers", nargs="+", metavar="NAME", help="layers (default: last rectified convolution, last rectified dense)"
    )
    add("--draws", type=int, default=10, help="random boxes for each part")
    add("--seed", type=int, default=0, help="of their places")
    add("--batch-size", type=int, default=64, help="masked images run at once")
    add("--title", default="parts masked", help="what stands above the figure")
    add("--dpi", type=int, default=200, help="of the figure, in pixels an inch")
    add("--out-csv", type=Path, required=True, help=f"table to write: {', '.join(COLUMNS)}")
    add("--out-png", type=Path, required=True, help="the figure")
    add_device_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write table and figure. Raises UserError for what is not there or does not fit."""
    _check(arguments)
    names = names_of(arguments.image, arguments.name)
    device = prepare_device(arguments.device, arguments.threads)
    model = load_model(arguments.model).to(device)
    traced = trace(model.network, model.input_size, model.channels)
    layers = papers_layers(traced, arguments.layers, arguments.model)
    images = marked_images(model, dict(zip(names, arguments.image, strict=True)), arguments)
    looking = Signs(model, traced, layers, arguments.batch_size)
    each = progress(images, "correspond", "images", len(images))
    signs = [looking(image.pixels, image.boxes) for image in each]
    parts = list(images[0].parts)
    rows = []
    for number, layer in enumerate(layers):
        of_layer = np.stack([found[number] for found in signs])  # (images, boxes, features)
        rows += [{"layer": layer.name} | row for row in table(of_layer, parts)]
    write_text(arguments.out_csv, csv_text([COLUMNS, *(cells(row, COLUMNS) for row in rows)]))
    _draw(arguments, images, rows)
    say(f"correspond: {len(images)} images, {len(parts)} parts, {arguments.draws} draws; {arguments.out_csv}")


def marked_images(model: Model, images: dict[str, str], arguments: argparse.Namespace) -> list[Marked]:
    """Return the images and their boxes, the random ones drawn."""
    boxes = read_boxes(arguments.boxes, images)
    found = []
    for name, image in images.items():
        pixels = read_one(image, model.packed_size, model.input_size, model.channels)
        sizes = size_of_image(image), model.packed_size, model.input_size
        parts = {
            part: pixel_box(box, *sizes, f"{arguments.boxes}: the box of {part!r} in {name!r}")
            for part, box in boxes[name].items()
        }
        random = [
            {part: elsewhere(box, model.input_size, arguments.seed, name, part, draw) for part, box in parts.items()}
            for draw in range(arguments.draws)
        ]
        found.append(Marked(pixels, parts, random))
    return found


def elsewhere(box: tuple[int, int, int, int], size: tuple[int, int], *facts) -> tuple[int, int, int, int]:
    """Return a box as large as this one, anywhere in an image of `size`; `facts` (the seed first) decide where."""
    generator = np.random.default_rng(seed_for(*facts))
    height, width = box[2] - box[0], box[3] - box[1]
    top, left = (int(generator.integers(0, side - part + 1)) for side, part in zip(size, (height, width), strict=True))
    return top, left, top + height, left + width


def table(signs: np.ndarray, parts: list[str]) -> list[dict]:
    """Return the rows of one layer from its signs (images, boxes, features), boxes as in `Marked.boxes`.

    A row a part, a row for random boxes of each part's size, and one, without a part, for all random boxes together.
    """
    count = len(parts)
    distance = np.stack([hamming(signs[:, box]) for box in range(signs.shape[1])])  # (boxes, pairs)
    changed = (signs != 0).mean((0, 2))
    asked = [(part, "part", slice(place, place + 1)) for place, part in enumerate(parts)]
    asked += [(part, "random", slice(count + place, None, count)) for place, part in enumerate(parts)]
    asked.append(("", "random", slice(count, None)))
    images = len(signs)
    rows = []
    for part, kind, which in asked:
        found = distance[which]
        facts = {"part": part, "masked": kind, "draws": len(found), "pairs": found.shape[1]}
        delta = images * (images - 1) * found.mean()
        numbers = {"delta": delta, "mean": found.mean(), "std": found.std(), "changed": changed[which].mean()}
        rows.append(facts | {key: float(value) for key, value in numbers.items()})
    return rows


def _check(arguments: argparse.Namespace) -> None:
    if len(arguments.image) < 2:
        raise UserError(f"correspond has {len(arguments.image)} image; it compares images, so give at least 2.")
    for key, least in (("batch_size", 1), ("draws", 1), ("dpi", 30)):
        if getattr(arguments, key) < least:
            raise UserError(f"correspond.{key} is {getattr(arguments, key)}; it must be at least {least}.")


def _draw(arguments: argparse.Namespace, images: list[Marked], rows: list[dict]) -> None:
    parts = list(images[0].parts)
    pictures = []
    for image in images:
        boxes = [*image.parts.values(), image.random[0][parts[0]]]
        pictures.append([shown(picture) for picture in masked(image.pixels, boxes)])
    layers: dict[str, dict[str, list]] = {}
    for row in rows:
        if row["part"]:
            kinds = layers.setdefault(row["layer"], {"part": [], "random": []})
            kinds[row["masked"]].append((row["mean"], row["std"]))
    draw_correspondence(arguments.out_png, pictures, parts, layers, arguments.title, arguments.dpi)
