"""Slide a grey square over an image and see what the network loses (paper, section 4.2 and figure 7).

At every place of the square: the total activation of the feature map that is strongest in the unoccluded image, the
probability of the image's class, and the most probable class. If the map's activation falls where the structure is that
its projection shows, the projection shows what excites the map. The paper states neither the side of the square nor its
stride; here they are a fifth and a fortieth of the input's shorter side, and the square stays inside the image.
"Strongest" is the largest single activation, as everywhere in zfpipe; grey is 128.
"""

import argparse

import numpy as np
import torch

from zfpipe.data.channels import shown
from zfpipe.data.one_image import name_of, read_one
from zfpipe.errors import UserError
from zfpipe.files.csv_text import csv_text
from zfpipe.files.reconstruction import open_reconstruction
from zfpipe.files.whole import write_text
from zfpipe.nets import deconvnet
from zfpipe.nets.device import add_device_arguments, prepare_device
from zfpipe.nets.layers import Layer, choose, layers
from zfpipe.nets.models import Model, load_model
from zfpipe.nets.occlusion import Occluded, occlude
from zfpipe.nets.strongest import Strongest
from zfpipe.nets.trace import Traced, trace
from zfpipe.nets.windows import Projector
from zfpipe.pictures.occlusions import draw_occlusion
from zfpipe.pictures.ranges import unit_pixels
from zfpipe.progress import say

COLUMNS = ("top", "left", "activation", "probability", "likeliest")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe occlude`."""
    add = parser.add_argument
    add("--model", required=True, metavar="PT", help="model file of the stage train")
    add("--image", required=True, help="image file, or photographs:NAME for one that ships")
    add("--layer", required=True, metavar="NAME", help="layer whose strongest map is followed")
    add("--label", metavar="CLASS", help="class whose probability is drawn (default: the most probable one)")
    add("--reconstruction", metavar="H5", help="the layer's reconstruction file: projections of other images beside")
    add("--square", type=int, metavar="PX", help="side of the square (default: a fifth of the input)")
    add("--stride", type=int, metavar="PX", help="between places (default: a fortieth of the input)")
    add("--batch-size", type=int, default=64, help="occluded images run at once")
    add("--title", help="what the figure calls the image (default: the file's name)")
    add("--dpi", type=int, default=200, help="of the figure, in pixels an inch")
    add("--out-csv", required=True, metavar="CSV", help="a row a place: top, left, activation, probability, likeliest")
    add("--out-png", required=True, metavar="PNG", help="the figure")
    add_device_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write table and figure. Raises UserError for what is not there or does not fit."""
    device = prepare_device(arguments.device, arguments.threads)
    model = load_model(arguments.model).to(device)
    image = read_one(arguments.image, model.packed_size, model.input_size, model.channels)
    traced = trace(model.network, image.shape[:2], model.channels)
    (layer,) = choose(layers(traced), [arguments.layer])
    side = min(image.shape[:2])
    square = max(1, round(side / 5)) if arguments.square is None else arguments.square
    stride = max(1, round(side / 40)) if arguments.stride is None else arguments.stride
    label = None if arguments.label is None else model.class_number(arguments.label)
    found = occlude(model, traced, layer, image, square, stride, label, batch_size=arguments.batch_size)
    names = model.classes or [f"output {number}" for number in range(int(found.likeliest.max()) + 1)]
    projections = _projections(model, traced, layer, image, found.unit, arguments.reconstruction)
    write_text(arguments.out_csv, as_csv(found, names))
    _draw(arguments, image, projections, found, names)
    total, probability, _ = found.unoccluded
    say(
        f"occlude: {found.activation.size} places; {layer.name} unit {found.unit} falls from {total:.4g} to "
        f"{found.activation.min():.4g}, {names[found.label]} from {probability:.3f} to {found.probability.min():.3f}"
    )


def as_csv(found: Occluded, names: list[str]) -> str:
    """Return a row for the unoccluded image (no top, no left), then one for each place in row-major order."""
    activation, probability, likeliest = found.unoccluded
    rows = [COLUMNS, ("", "", f"{activation:.8g}", f"{probability:.8g}", names[likeliest])]
    for r, top in enumerate(found.top):
        for c, left in enumerate(found.left):
            values = (f"{part[r, c]:.8g}" for part in (found.activation, found.probability))
            rows.append((top, left, *values, names[found.likeliest[r, c]]))
    return csv_text(rows)


def _projections(
    model: Model, traced: Traced, layer: Layer, image: np.ndarray, unit: int, reconstruction: str | None
) -> list[np.ndarray]:
    """Return the unit's projection from this image, then those of its strongest patches, as pixels (h, w, 3) uint8."""
    own = _own_projection(model, traced, layer, image, unit)
    pictures = [_as_pixels(own[None], model.channels)[0]]
    if reconstruction:
        with open_reconstruction(reconstruction) as found:
            if found.layer != layer.name:
                raise UserError(
                    f"{reconstruction} is of layer {found.layer}, not of {layer.name}; give that of {layer.name}."
                )
            rows = np.flatnonzero(found.unit == unit)
            if len(rows):
                present = found.present[rows[0]]
                others = _as_pixels(found.projection(rows[0])[present], model.channels)
                pictures += list(others[: max(0, 9 - len(pictures))])
            else:
                say(f"{reconstruction} holds no unit {unit} of {layer.name}; its other projections are left out.")
    return pictures


def _own_projection(model: Model, traced: Traced, layer: Layer, image: np.ndarray, unit: int) -> np.ndarray:
    frame = model.normalise(torch.from_numpy(image.copy()).to(model.mean.device).permute(2, 0, 1)[None])
    maps, _ = deconvnet.forward(traced, frame, layer.step)
    best = Strongest.empty(layer.channels, 1, maps.device)
    best.add(maps, np.array([0]))
    entry = (np.array([unit]), best.row[[unit], 0], best.col[[unit], 0])
    return model.as_seen(Projector(model, traced, layer)(image[None].copy(), np.array([0]), *entry).projection[0])


def _as_pixels(projections: np.ndarray, channels: int) -> np.ndarray:
    visible = shown(projections, None) if channels != 3 else projections
    return unit_pixels(visible, np.ones(visible.shape[:3], bool))


def _draw(
    arguments: argparse.Namespace, image: np.ndarray, projections: list[np.ndarray], found: Occluded, names: list[str]
) -> None:
    title = arguments.title or name_of(arguments.image)
    words = {
        "title": f"{title}, a grey square of {found.square} px over it",
        "label": names[found.label],
        "unit": f"{arguments.layer} unit {found.unit}",
    }
    likeliest = [[names[number] for number in row] for row in found.likeliest]
    draw_occlusion(
        arguments.out_png,
        shown(image),
        projections,
        found.top,
        found.left,
        found.square,
        found.activation,
        found.probability,
        found.unoccluded[1],
        likeliest,
        words,
        arguments.dpi,
    )
