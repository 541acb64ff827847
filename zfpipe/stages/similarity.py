"""How much a layer's pictures owe to what was learnt: projections beside those of an untrained network, as numbers.

For the patches that a trained unit responds to most, the unit of the same number in the control (the same network with
random weights) is projected from the same place of the same image, and the two projections are compared: structural
similarity and rank correlation of their pixels. Near 0 the trained picture is the network's own; near 1 random weights
draw it as well, and it shows the image rather than what was learnt (Nie et al. 2018, Adebayo et al. 2018). Where the
control's unit is silent there is nothing to compare; the table says how often. This is no experiment of the paper's.
"""

import argparse
from pathlib import Path

import numpy as np

from zfpipe.data.batches import seed_for
from zfpipe.data.decode import centre_crop
from zfpipe.data.packed import Packed, open_packed
from zfpipe.errors import UserError
from zfpipe.files.csv_text import csv_text
from zfpipe.files.topk import LayerTopK, TopK, read_topk, require_images, require_weights
from zfpipe.files.whole import write_text
from zfpipe.nets.device import add_device_arguments, prepare_device
from zfpipe.nets.layers import choose, layers
from zfpipe.nets.models import Model, load_model
from zfpipe.nets.quick import channels_last
from zfpipe.nets.reach import projector_of
from zfpipe.nets.trace import trace
from zfpipe.pictures.likeness import inside, of_ranks, structural
from zfpipe.pictures.similarities import draw_similarity
from zfpipe.progress import progress, say

COLUMNS = ("layer", "unit", "rank", "image_index", "structural", "ranks")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe similarity`."""
    add = parser.add_argument
    add("--model", required=True, metavar="PT", help="model file of the trained run")
    add("--control", required=True, metavar="PT", help="model file of the same network with random weights")
    add("--images", required=True, metavar="H5", help="the packed split that was mined")
    add("--topk", required=True, metavar="H5", help="top-k file of the trained run")
    add("--units", type=int, default=64, help="units of each layer, chosen at random among those that are alive")
    add("--seed", type=int, default=0, help="of that choice")
    add("--title", default="trained beside untrained", help="what stands above the figure")
    add("--dpi", type=int, default=150, help="of the figure, in pixels an inch")
    add("--out-csv", type=Path, required=True, help=f"a row a patch: {', '.join(COLUMNS)}")
    add("--out-png", type=Path, required=True, help="the figure")
    add_device_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write table and figure. Raises UserError for files that do not belong together."""
    if arguments.units < 1:
        raise UserError(f"similarity.units is {arguments.units}; it must be at least 1.")
    device = prepare_device(arguments.device, arguments.threads)
    topk = read_topk(arguments.topk)
    models = [load_model(path).to(device) for path in (arguments.model, arguments.control)]
    _require_alike(models, topk, arguments)
    rows = []
    with open_packed(arguments.images) as packed:
        require_images(topk, arguments.topk, packed.manifest_sha256, arguments.images)
        for name, entries in topk.layers.items():
            units = some_units(entries, arguments.units, arguments.seed)
            rows += [(name, *row) for row in compare(models, name, entries, units, packed)]
    write_text(arguments.out_csv, csv_text([COLUMNS, *map(_as_text, rows)]))
    found = {name: _numbers([row for row in rows if row[0] == name]) for name in topk.layers}
    draw_similarity(arguments.out_png, found, arguments.title, arguments.dpi)
    for name, numbers in found.items():
        silent = np.isnan(numbers["ranks"])
        said = f"rank correlation {np.nanmedian(numbers['ranks']):.2f}" if not silent.all() else "nothing to compare"
        say(
            f"similarity: {name}: {said} (median of {(~silent).sum()} patches; the control is silent at {silent.sum()})"
        )


def some_units(entries: LayerTopK, count: int, seed: int) -> np.ndarray:
    """Return up to `count` units that are not dead, chosen by `seed`, in their order."""
    alive = np.flatnonzero(~entries.dead).tolist()
    return np.sort(sorted(alive, key=lambda unit: seed_for(seed, entries.name, unit))[:count])


def compare(models: list[Model], name: str, entries: LayerTopK, units: np.ndarray, packed: Packed) -> list[tuple]:
    """Return (unit, rank, image_index, structural, ranks) for the strongest patches of `units`; NaN where silent."""
    projectors = []
    for model in models:
        traced = trace(model.network, model.input_size, model.channels)
        (layer,) = choose(layers(traced), [name])
        channels_last(model.network)
        projectors.append(projector_of(model, traced, layer, "add"))
    places = np.array([(unit, rank) for unit in units for rank in np.flatnonzero(entries.present[unit])], int)
    size = min(projector.batch_size for projector in projectors)
    rows = []
    for start in progress(range(0, len(places), size), f"similarity {name}", "patches", len(places), size):
        at = tuple(places[start : start + size].T)
        image_index, which = np.unique(entries.image_index[at], return_inverse=True)
        images = np.ascontiguousarray(centre_crop(packed.read_rows(image_index), models[0].input_size))
        cuts = [each(images, which, at[0], entries.row[at], entries.col[at]) for each in projectors]
        for number, (unit, rank) in enumerate(zip(*at, strict=True)):
            box = cuts[0].box[number]
            pair = [inside(cut.projection[number], box, models[0].input_size) for cut in cuts]
            rows.append((unit, rank, entries.image_index[unit, rank], structural(*pair), of_ranks(*pair)))
    return rows


def _require_alike(models: list[Model], topk: TopK, arguments: argparse.Namespace) -> None:
    trained, control = models
    require_weights(topk, arguments.topk, trained.sha256(), arguments.model)
    for what in ("input_size", "channels", "packed_size"):
        if getattr(trained, what) != getattr(control, what):
            raise UserError(
                f"{arguments.control} has {what} {getattr(control, what)}, and {arguments.model} "
                f"{getattr(trained, what)}; a control is the same network with other weights."
            )
    shapes = [{key: value.shape for key, value in model.network.state_dict().items()} for model in models]
    if shapes[0] != shapes[1]:
        raise UserError(
            f"{arguments.control} is another network than {arguments.model}; a control has the same layers."
        )


def _numbers(rows: list[tuple]) -> dict[str, np.ndarray]:
    return {"structural": np.array([row[4] for row in rows], float), "ranks": np.array([row[5] for row in rows], float)}


def _as_text(row: tuple) -> list:
    *facts, shapes, ranks = row
    return [*facts, *("" if np.isnan(number) else f"{number:.6f}" for number in (shapes, ranks))]
