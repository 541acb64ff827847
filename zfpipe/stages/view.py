"""Show what one image excites most in a layer: the article's viewer.

The layer's strongest feature maps are taken in turn; of each only the maximum is kept, all else is set to zero, and the
deconvnet carries it back to pixels. The picture shows the image beside these projections, strongest first.
"""

import argparse

import numpy as np
import torch

from zfpipe.data.channels import shown, shown_channels
from zfpipe.data.one_image import name_of, read_one
from zfpipe.errors import UserError, require_one_of
from zfpipe.nets import deconvnet
from zfpipe.nets.device import add_device_arguments, prepare_device
from zfpipe.nets.layers import Layer, choose, layers
from zfpipe.nets.models import Model, load_model
from zfpipe.nets.strongest import Strongest
from zfpipe.nets.trace import Traced, trace
from zfpipe.pictures.views import draw_view
from zfpipe.progress import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="PT", help="model file of the stage train")
    parser.add_argument("--image", required=True, help="image file, or photographs:NAME for one that ships")
    parser.add_argument("--layer", required=True, metavar="NAME", help="layer, by name")
    parser.add_argument("--out", dest="out_png", required=True, metavar="PNG", help="picture to write")
    parser.add_argument("--count", type=int, default=9, help="number of maps, from the strongest down")
    parser.add_argument("--title", help="what the picture calls the image (default: the file's name)")
    parser.add_argument(
        "--channels",
        type=int,
        nargs="+",
        metavar="C",
        help="image channels, from 0, shown as red, green and blue; one: grey (default: the first three)",
    )
    parser.add_argument("--collide", default="add", help="where unpooled signals meet: add or overwrite")
    parser.add_argument(
        "--quantile", type=float, default=0.995, help="of |projection| that is drawn at full strength, up to 1"
    )
    parser.add_argument("--dpi", type=int, default=150, help="of the picture, in pixels an inch")
    add_device_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    if arguments.count < 1:
        raise UserError(f"view.count is {arguments.count}; it must be at least 1.")
    require_one_of("reconstruct.collide", arguments.collide, deconvnet.COLLIDE)
    device = prepare_device(arguments.device, arguments.threads)
    model = load_model(arguments.model).to(device)
    image = read_one(arguments.image, model.packed_size, model.input_size, model.channels)  # (H, W, C)
    channels = shown_channels(arguments.channels, model.channels)
    traced = trace(model.network, image.shape[:2], model.channels)
    (layer,) = choose(layers(traced), [arguments.layer])
    projections, labels = project_strongest(model, traced, layer, image, arguments.count, arguments.collide)
    if not labels:
        raise UserError(f"{arguments.image} excites no unit of {layer.name}; there is nothing to project.")
    title = arguments.title or name_of(arguments.image)
    projections = [shown(projection, channels) for projection in projections]
    draw_view(
        arguments.out_png,
        shown(image, channels),
        projections,
        labels,
        layer.name,
        title,
        arguments.quantile,
        arguments.dpi,
    )
    say(f"view: the {len(labels)} strongest maps of {layer.name} for {title}, in {arguments.out_png}")


def project_strongest(
    model: Model, traced: Traced, layer: Layer, image: np.ndarray, count: int, collide: str = "add"
) -> tuple[list[np.ndarray], list[dict]]:
    """Project the maxima of the `count` strongest maps of one image (H, W, C) uint8, each by itself.

    Returns full-frame projections (H, W, C) float32 and, for each, its rank, unit, activation, row, col and box.
    Maps that are zero everywhere are left out; of equal maxima the lower unit comes first.
    """
    frame = model.normalise(torch.from_numpy(image.copy()).to(model.mean.device).permute(2, 0, 1)[None])
    maps, project = deconvnet.forward(traced, frame, layer.step, collide)
    best = Strongest.empty(layer.channels, 1, maps.device)
    best.add(maps, np.array([0]))
    activation, row, col = best.activation[:, 0], best.row[:, 0], best.col[:, 0]
    units = np.argsort(-activation, kind="stable")[:count]
    projections, labels = [], []
    for rank, unit in enumerate(units[activation[units] > 0]):
        place = (torch.tensor([index], device=maps.device) for index in (unit, row[unit], col[unit]))
        signal = project(deconvnet.seed(maps, *place))
        projections.append(model.as_seen(signal[0].permute(1, 2, 0).cpu().numpy()))
        facts = {"rank": rank, "unit": int(unit), "activation": float(activation[unit])}
        labels.append(facts | {"row": int(row[unit]), "col": int(col[unit]), "box": _box(layer, row[unit], col[unit])})
    return projections, labels


def _box(layer: Layer, row: int, col: int) -> tuple[int, int, int, int]:
    rows, cols = layer.field.axes
    top, left = int(rows.box_start(row)), int(cols.box_start(col))
    return top, left, top + rows.box_size, left + cols.box_size
