"""Draw a layer's units through training as in the paper's figure 4: for each unit and epoch the projection of its
strongest activation above the image patch that caused it, zero as mid-grey. A bar stands where another image than at
the epoch before is the strongest. The same evolution file gives the same bytes each time."""

import argparse
from collections.abc import Sequence

from zfpipe.data.channels import say_channels, shown_channels
from zfpipe.errors import UserError, nearest
from zfpipe.files.evolution import Evolution, LayerEvolution, read_evolution
from zfpipe.pictures.crops import HATCHED
from zfpipe.pictures.filmstrips import Strip, filmstrip_page, strip_of
from zfpipe.pictures.prose import Text
from zfpipe.pictures.ranges import QUANTILE, say_scale
from zfpipe.pictures.saving import save_page
from zfpipe.progress import counted, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe filmstrip`."""
    add = parser.add_argument
    add("--evolution", required=True, metavar="H5", help="evolution file of the stage evolve")
    add("--layer", required=True, metavar="NAME", help="layer, by name")
    add("--out-png", metavar="PNG", help="where to write the PNG")
    add("--out-pdf", metavar="PDF", help="where to write the PDF: every pixel of the input is in it")
    add("--quantile", type=float, default=QUANTILE, help="of |projection| that is drawn at full strength, up to 1")
    add("--channels", type=int, nargs="+", metavar="C", help="image channels shown (default: the first three)")
    add("--dpi", type=int, default=200, help="of the PNG, in pixels an inch")
    add("--title", help="words before the layer's name, such as the run's name (default: none)")


def run(arguments: argparse.Namespace) -> None:
    """Draw the figure. Raises UserError for a bad option, or a file that is damaged or of another kind."""
    _check(arguments)
    found = read_evolution(arguments.evolution)
    if arguments.layer not in found.layers:
        raise UserError(
            f"{arguments.evolution} has no layer {arguments.layer!r}{nearest(arguments.layer, found.layers)}; it has "
            f"{', '.join(found.layers)}."
        )
    layer = found.layers[arguments.layer]
    shown_channels(arguments.channels, layer.patch.shape[-1])
    if not len(layer.unit):
        raise UserError(f"All units of {arguments.layer} are dead at epoch {found.epochs[-1]}; nothing can be drawn.")
    settings = found.input_size, arguments.channels, arguments.quantile
    strips = [strip_of(layer, row, *settings) for row in range(len(layer.unit))]
    text = describe(found, layer, strips, arguments)
    crop = layer.entries.crop_size(found.input_size)
    for kind, path in (("png", arguments.out_png), ("pdf", arguments.out_pdf)):
        if path:
            page = filmstrip_page(kind, strips, found.epochs, crop, found.input_size, text, arguments.dpi)
            save_page(path, page, kind)
    say(f"filmstrip: {arguments.layer}: {text.details}")


def describe(found: Evolution, layer: LayerEvolution, strips: Sequence[Strip], arguments: argparse.Namespace) -> Text:
    """Return the figure's title, the facts beneath it, and the small print."""
    of = f"{found.images} training images"
    looked = of if found.looked_at == found.images else f"{found.looked_at} of {of}"
    changes = int(layer.changed.sum())
    facts = [
        f"{len(layer.unit)} of {layer.channels} units (random, seed {found.seed})"
        if len(layer.unit) < layer.channels
        else f"all {layer.channels} units",
        f"the strongest of {looked}",
        f"{counted(changes, 'change')} of image",
    ]
    notes = (
        "For each unit, by epoch: the projection of its strongest activation with that epoch's weights, above the "
        "image patch that caused it, and the activation. Orange bar: another image than at the epoch before. "
        f"{say_scale('patch', arguments.quantile, 'projection')}"
    )
    if any(strip.pictures.hatched(found.input_size) for strip in strips):
        notes += f" {HATCHED}"
    count = layer.patch.shape[-1]
    if count not in (1, 3) or arguments.channels:
        notes += f" {say_channels(arguments.channels, count)}"
    if not all(strip.pictures.present.all() for strip in strips):
        notes += " Empty: no image excites the unit at that epoch."
    if found.collide != "add":
        notes += " Where unpooled signals met, the last one was kept."
    dot = " \N{MIDDLE DOT} "
    title = dot.join(filter(None, [arguments.title, layer.entries.name, "through the epochs"]))
    return Text(title, dot.join(facts), notes)


def _check(arguments: argparse.Namespace) -> None:
    if not (arguments.out_png or arguments.out_pdf):
        raise UserError("There is nothing to write: give --out-png, --out-pdf, or both.")
    if not 0 < arguments.quantile <= 1:
        raise UserError(f"--quantile is {arguments.quantile}; it has to be above 0 and at most 1.")
    if not 30 <= arguments.dpi <= 1200:
        raise UserError(f"--dpi is {arguments.dpi}; it has to be from 30 to 1200 pixels an inch.")
