"""Shift, enlarge and turn images; see how far the network's answer moves (paper, section 4.1 and figure 5).

Vertical shifts of -60 to 60 px at 224 (scaled to the input), sizes of 1 to 1.8, turns of 0 to 350 degrees. For each:
the Euclidean distance of the feature vector from that of the image as it is, in the first and in the top layer, and the
probability of the true label. The paper does not state the steps, nor what comes in from outside: here 25 shifts, 17
sizes, 36 turns, and mid-grey, after the rim of the packed image around the crop is used up. A feature vector is a whole
map.
"""

import argparse
from pathlib import Path

import numpy as np

from zfpipe.data.channels import shown
from zfpipe.data.decode import centre_crop
from zfpipe.data.one_image import names_of, read_one
from zfpipe.data.warps import WARPS, amounts, warp
from zfpipe.errors import UserError
from zfpipe.files.csv_text import csv_text
from zfpipe.files.whole import write_text
from zfpipe.nets.answers import Answers
from zfpipe.nets.device import add_device_arguments, prepare_device
from zfpipe.nets.invariance import Moved, invariance
from zfpipe.nets.layers import Layer, layers, named, require_layers
from zfpipe.nets.models import Model, load_model
from zfpipe.nets.trace import Traced, trace
from zfpipe.pictures.invariances import draw_invariance
from zfpipe.progress import progress, say

SAMPLES = 5  # warped images shown in a row of the figure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe invariance`."""
    add = parser.add_argument
    add("--model", required=True, metavar="PT", help="model file of the stage train")
    add("--image", nargs="+", required=True, help="image files, or photographs:NAME for those that ship")
    add("--name", nargs="+", metavar="NAME", help="what table and figure call them (default: the files' names)")
    add("--label", nargs="+", metavar="CLASS", help="each image's class, - for the network's own choice (default)")
    add("--layers", nargs="+", metavar="NAME", help="layers to compare (default: the network's first and last)")
    add("--batch-size", type=int, default=64, help="warped images run at once")
    add("--title", default="images shifted, enlarged and turned", help="what stands above the figure")
    add("--dpi", type=int, default=200, help="of the figure, in pixels an inch")
    add("--out-csv", type=Path, required=True, help="a row a warp: image, label, warp, amount, probability, distances")
    add("--out-png", type=Path, required=True, help="the figure")
    add_device_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write table and figure. Raises UserError for what is not there or does not fit."""
    _check(arguments)
    names = names_of(arguments.image, arguments.name)
    device = prepare_device(arguments.device, arguments.threads)
    model = load_model(arguments.model).to(device)
    traced = trace(model.network, model.input_size, model.channels)
    chosen = _layers(traced, arguments)
    answers = Answers(model, traced, chosen)
    labels = arguments.label or ["-"] * len(names)
    found, images = {}, []
    asked = list(zip(names, arguments.image, labels, strict=True))
    for name, image, label in progress(asked, "invariance", "images", len(asked)):
        images.append(read_one(image, model.packed_size, model.packed_size, model.channels))
        number, moved = invariance(answers, images[-1], _number(model, label), arguments.batch_size)
        found[name] = _name(model, number), moved
    write_text(arguments.out_csv, as_csv(found, chosen))
    _draw(arguments, model, images[0], found, chosen)
    say(f"invariance: {len(names)} images, {', '.join(layer.name for layer in chosen)}; {arguments.out_png}")


def as_csv(found: dict[str, tuple[str, list[Moved]]], chosen: list[Layer]) -> str:
    """Return the table: an image after the other, in the order of WARPS and amounts."""
    rows = [["image", "label", "warp", "amount", "probability", *(f"distance.{one.name}" for one in chosen)]]
    for name, (label, entries) in found.items():
        for entry in entries:
            numbers = (f"{number:.6g}" for number in (entry.amount, entry.probability, *entry.distance))
            rows.append([name, label, entry.kind, *numbers])
    return csv_text(rows)


def _check(arguments: argparse.Namespace) -> None:
    if arguments.batch_size < 1:
        raise UserError(f"invariance.batch_size is {arguments.batch_size}; it must be at least 1.")
    given, images = arguments.label, len(arguments.image)
    if given and len(given) != images:
        raise UserError(f"--label has {len(given)} entries for {images} images; give one for each.")


def _layers(traced: Traced, arguments: argparse.Namespace) -> list[Layer]:
    if arguments.layers:
        return named(layers(traced), arguments.layers)
    found = require_layers(traced, arguments.model)
    return [found[0], found[-1]] if len(found) > 1 else found


def _number(model: Model, label: str) -> int | None:
    return None if label == "-" else model.class_number(label)


def _name(model: Model, number: int) -> str:
    return model.classes[number] if model.classes else f"output {number}"


def _draw(arguments: argparse.Namespace, model: Model, image: np.ndarray, found: dict, chosen: list[Layer]) -> None:
    columns = [f"distance in {layer.name}" for layer in chosen] + ["probability of the label"]
    curves, samples = {}, {}
    for kind in WARPS:
        curves[kind] = {
            (name if name == label else f"{name} ({label})"): np.array(
                [[one.amount, *one.distance, one.probability] for one in entries if one.kind == kind]
            )
            for name, (label, entries) in found.items()
        }
        steps = amounts(kind, min(model.input_size))
        some = [steps[round(place)] for place in np.linspace(0, len(steps) - 1, SAMPLES)]
        samples[kind] = [shown(centre_crop(warp(image, kind, amount), model.input_size)) for amount in some]
    draw_invariance(arguments.out_png, samples, columns, curves, arguments.title, arguments.dpi)
