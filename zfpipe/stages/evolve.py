"""Follow units of each layer through training: the strongest activation at chosen epochs (paper, figure 4).

At each epoch, with that epoch's weights, the single strongest activation of a unit over all *training* images is found
and projected to pixels by the deconvnet. Where another image than before is the strongest, the picture jumps. Units are
a random subset of those that are alive at the last epoch. The paper's epochs are 1, 2, 5, 10, 20, 30, 40 and 64. It
does not say which views of an image are looked at: here the centre, as in mining. Weights come out of the state folder.
"""

import argparse
from pathlib import Path

import numpy as np

from zfpipe.data.batches import Images, in_memory_if_it_fits, seed_for, shuffled
from zfpipe.data.decode import centre_crop
from zfpipe.data.lots import lot
from zfpipe.data.packed import Packed, open_packed
from zfpipe.errors import UserError, require_one_of
from zfpipe.files.evolution import Evolution, LayerEvolution, write_evolution
from zfpipe.files.topk import COLUMNS, MISSING, LayerTopK
from zfpipe.nets.deconvnet import COLLIDE
from zfpipe.nets.device import add_device_arguments, prepare_device
from zfpipe.nets.epochs import Epochs
from zfpipe.nets.evaluation import require_fit
from zfpipe.nets.layers import Layer, chosen
from zfpipe.nets.looking import strongest_of
from zfpipe.nets.memory import Fitting
from zfpipe.nets.models import Model, load_model
from zfpipe.nets.reach import projector_of
from zfpipe.nets.strongest import Strongest
from zfpipe.nets.trace import Traced, trace
from zfpipe.progress import counted, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe evolve`."""
    add = parser.add_argument
    add("--model", required=True, metavar="PT", help="model file of the stage train")
    add("--train", required=True, metavar="H5", help="the packed split that it was trained on")
    add("--state", required=True, metavar="FOLDER", help="the state folder of the stage train, with every epoch")
    add("--layers", required=True, nargs="+", metavar="NAME", help="layers, by name, or 'all'")
    add("--epochs", type=int, nargs="+", metavar="N", help="epochs, from 1 (default: the paper's, and the last)")
    add("--units", type=int, default=6, help="units of each layer, chosen at random among those that are alive")
    add("--images", type=int, metavar="N", help="training images to look at, chosen at random (default: all of them)")
    add("--seed", type=int, default=0, help="of both choices")
    add("--batch-size", type=int, default=32, help="images in one forward pass")
    add("--collide", default="add", help="where unpooled signals meet: add, or overwrite (the last stays)")
    add("--memory", type=float, default=4.0, help="images held in memory up to this many GB, else read anew each epoch")
    add("--out", required=True, type=Path, metavar="H5", help="evolution file")
    add_device_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write the evolution file. Raises UserError for files that are missing, damaged or do not belong together."""
    _check(arguments)
    device = prepare_device(arguments.device, arguments.threads)
    training = Epochs(arguments.model, arguments.state)
    epochs = training.choose(arguments.epochs)
    model = load_model(arguments.model).to(device)
    digest = model.sha256()
    with open_packed(arguments.train) as packed:
        require_fit(model, packed, arguments.train)
        training.require_split(packed, arguments.train)
        rows = some_rows(len(packed), arguments.images, arguments.seed)
        images = in_memory_if_it_fits(packed, arguments.memory)
        found = Evolution(
            epochs=epochs,
            images=len(packed),
            looked_at=len(rows),
            seed=arguments.seed,
            input_size=model.input_size,
            classes=packed.classes,
            model_sha256=digest,
            manifest_sha256=packed.manifest_sha256,
            key=training.key,
            collide=arguments.collide,
        )
        for epoch in reversed(epochs):  # the last one first: it says which units are alive
            training.put(epoch, model)
            _follow(found, epoch, model, images, rows, packed, arguments)
    write_evolution(arguments.out, found)
    for name, layer in found.layers.items():
        changes = counted(int(layer.changed.sum()), "time")
        say(f"evolve: {name}: {counted(len(layer.unit), 'unit')}; the strongest image changed {changes}.")


def some_rows(images: int, count: int | None, seed: int) -> np.ndarray:
    """Return which of the images are looked at, (N,) int64 in order: all, or `count` chosen by `seed`.

    Raises UserError if there are not so many.
    """
    if count is None or count == images:
        return np.arange(images)
    if not 1 <= count <= images:
        raise UserError(f"evolve.images is {count}; the training split has {images}, so it can be 1 to {images}.")
    return np.sort(shuffled(images, seed_for(seed, "evolve"))[:count])


def some_units(last: Strongest, count: int, seed: int) -> np.ndarray:
    """Return up to `count` units that are alive, (U,) int32 in order, chosen by `seed` as those of a figure are."""
    alive = np.flatnonzero(last.activation[:, 0] > 0).tolist()
    return np.sort(sorted(alive, key=lambda unit: lot(seed, unit))[:count]).astype(np.int32)


def _follow(
    found: Evolution, epoch: int, model: Model, images: Images, rows: np.ndarray, packed: Packed, arguments
) -> None:
    """Fill in an epoch, whose weights the model has, in all layers; the first one that comes makes them."""
    traced = trace(model.network, model.input_size, model.channels)
    asked = chosen(traced, arguments.layers)
    strongest = Fitting("evolve", arguments.batch_size).whole(
        lambda size: strongest_of(model, traced, images, rows, asked, size, f"evolve epoch {epoch}")
    )
    place = found.epochs.index(epoch)
    for layer in asked:
        best = strongest[layer.name]
        if layer.name not in found.layers:
            units = some_units(best, arguments.units, arguments.seed)
            found.layers[layer.name] = _empty(layer, units, len(found.epochs), model)
        mine = found.layers[layer.name]
        for name in COLUMNS:
            getattr(mine.entries, name)[:, place] = getattr(best, name)[mine.unit, 0]
        there = mine.entries.present[:, place]
        mine.label[there, place] = packed.labels[mine.entries.image_index[there, place]]
        _project(mine, place, model, traced, layer, images, arguments.collide)


def _project(
    mine: LayerEvolution, place: int, model: Model, traced: Traced, layer: Layer, images: Images, collide: str
) -> None:
    """Fill in projections and patches of an epoch, the column `place`."""
    projector = projector_of(model, traced, layer, collide)
    entries = mine.entries
    there = np.flatnonzero(entries.present[:, place])

    def part(some: np.ndarray) -> None:
        index, which = np.unique(entries.image_index[some, place], return_inverse=True)
        pixels = np.ascontiguousarray(centre_crop(images.read_rows(index), model.input_size))
        found = (getattr(entries, name)[some, place] for name in ("row", "col", "activation"))
        cut = projector(pixels, which, mine.unit[some], *found)
        mine.projection[some, place] = model.as_seen(cut.projection)
        mine.patch[some, place] = cut.patch

    fitting = Fitting(f"evolve {layer.name}", projector.batch_size)
    for start in range(0, len(there), projector.batch_size):
        fitting.each(part, there[start : start + projector.batch_size])


def _empty(layer: Layer, units: np.ndarray, epochs: int, model: Model) -> LayerEvolution:
    shape, axes = (len(units), epochs), layer.field.axes
    columns = {name: np.full(shape, 0 if name == "activation" else MISSING, dtype) for name, dtype in COLUMNS.items()}
    entries = LayerTopK(
        layer.name,
        **columns,
        receptive_field=tuple(axis.size for axis in axes),
        jump=tuple(axis.jump for axis in axes),
        start=tuple(axis.start for axis in axes),
        map_size=layer.map_size,
    )
    pixels = (*shape, *entries.crop_size(model.input_size), model.channels)
    label = np.full(shape, MISSING, np.int32)
    zeros = np.zeros(pixels, np.float32), np.zeros(pixels, np.uint8)
    return LayerEvolution(units, entries, label, *zeros, layer.channels)


def _check(arguments: argparse.Namespace) -> None:
    require_one_of("reconstruct.collide", arguments.collide, COLLIDE)
    for name in ("units", "batch_size"):
        if getattr(arguments, name) < 1:
            raise UserError(f"evolve.{name} is {getattr(arguments, name)}; it must be at least 1.")
