"""Project the strongest activations of a layer's units back to pixels with the deconvnet.

Each projection is cut to the unit's receptive field and stored beside the same cut of the image. Activations are
computed again on the way, all of them or, where that takes long, one of each batch; if one differs from what was mined,
the stage stops.
"""

import argparse
import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from zfpipe.data.batches import ahead, behind
from zfpipe.data.decode import centre_crop
from zfpipe.data.packed import Packed, open_packed
from zfpipe.errors import UserError, nearest, require_one_of
from zfpipe.files.digest import sha256_file
from zfpipe.files.reconstruction import ReconstructionWriter, select_units, writing_reconstruction
from zfpipe.files.topk import FINE, MISSING, LayerTopK, TopK, read_topk, require_images, require_weights
from zfpipe.nets.deconvnet import COLLIDE
from zfpipe.nets.device import add_device_arguments, prepare_device
from zfpipe.nets.layers import choose, layers
from zfpipe.nets.memory import Fitting
from zfpipe.nets.models import Model, load_model
from zfpipe.nets.quick import channels_last
from zfpipe.nets.reach import projector_of
from zfpipe.nets.trace import first_filters, trace
from zfpipe.nets.windows import Cut
from zfpipe.progress import progress

# A window's activations differ from the full frame's by rounding alone, some 1e-6 of what is summed up; other weights
# make them differ by far more. The second part is of the layer's strongest: a weak activation is a small difference.
# bf16 keeps 8 binary digits of every number on the way, tf32 11 of every factor.
TOLERANCE = {"float32": (1e-3, 1e-5), "tf32": (1e-2, 1e-2), "bf16": (0.1, 0.1)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="PT", help="model file of the stage train")
    parser.add_argument("--images", required=True, metavar="H5", help="the packed split that was mined")
    parser.add_argument("--topk", required=True, metavar="H5", help="top-k file of the stage merge")
    parser.add_argument("--layer", required=True, metavar="NAME", help="layer, by name")
    parser.add_argument("--out", required=True, metavar="H5", help="reconstruction file")
    parser.add_argument("--units", type=int, nargs="+", metavar="N", help="units, by number (default: all)")
    parser.add_argument(
        "--collide",
        default="add",
        help="where unpooled signals meet: add (the exact adjoint) or overwrite (the last stays)",
    )
    add_device_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    require_one_of("reconstruct.collide", arguments.collide, COLLIDE)
    device = prepare_device(arguments.device, arguments.threads)
    model = load_model(arguments.model).to(device)
    topk = read_topk(arguments.topk)
    with open_packed(arguments.images) as packed:
        _require_match(topk, model, packed, arguments)
        mined = _layer(topk, arguments.layer, arguments.topk)
        units = np.arange(len(mined.row)) if arguments.units is None else _unique(arguments.units)
        entries = select_units(mined, units)
        traced = trace(model.network, topk.input_size, model.channels)
        (layer,) = choose(layers(traced), [arguments.layer])
        channels_last(model.network)
        projector = projector_of(model, traced, layer, arguments.collide)
        writing = writing_reconstruction(
            arguments.out,
            mined,
            units,
            topk.input_size,
            label=np.where(entries.present, packed.labels[entries.image_index], MISSING),
            classes=packed.classes,
            filters=_filters(model, first_filters(traced, layer.step), units),
            channels=model.channels,
            images=topk.images,
            model_sha256=topk.model_sha256,
            manifest_sha256=topk.manifest_sha256,
            topk_sha256=sha256_file(arguments.topk),
            collide=arguments.collide,
        )
        with writing as writer:
            project_all(entries, units, packed, projector, writer, arguments.topk, topk.precision)


def project_all(
    entries: LayerTopK,
    units: np.ndarray,
    packed: Packed,
    projector,
    writer: ReconstructionWriter,
    path: str | Path,
    precision: str = FINE,
) -> None:
    """Project every entry of the top-k's rows `units`, and write it. `path` is the top-k file's, for messages.

    All is computed in float32; `precision` is that of the mining.

    Raises UserError if an activation computed again is not the one that was mined.
    """
    places, size = _in_image_order(entries), projector.batch_size
    what = f"reconstruct {entries.name}"
    fitting, model = Fitting(what, size), projector.model
    batches = ahead(_with_images(batch, entries, packed, model) for batch in _batches(places, size))
    with behind(functools.partial(_write, writer, model)) as write:
        for batch, images, which in progress(batches, what, "patches", len(places), size):

            def project(part: np.ndarray, batch=batch, images=images, which=which) -> None:
                at = tuple(batch[part].T)
                mined = entries.row[at], entries.col[at], entries.activation[at]
                cut = projector(*_images_of(part, images, which), units[at[0]], *mined)
                _recheck(entries, cut.activation, units, batch[part], path, TOLERANCE[precision])
                write(batch[part], cut)

            fitting.each(project, np.arange(len(batch)))


def _with_images(
    batch: np.ndarray, entries: LayerTopK, packed: Packed, model: Model
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a batch (B, 2) of rows of (unit position, rank), its images, and which of them each entry is of (B,)."""
    image_index, which = np.unique(entries.image_index[tuple(batch.T)], return_inverse=True)
    return batch, centre_crop(packed.read_rows(image_index), model.input_size), which


def _images_of(part: np.ndarray, images: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the images of a part of a batch, and which of them each of its entries is of: all, uncopied, of a whole
    one; fewer where memory has cut it."""
    if len(part) == len(which):
        return images, which
    own, of_own = np.unique(which[part], return_inverse=True)
    return images[own], of_own


def _write(writer: ReconstructionWriter, model: Model, batch: np.ndarray, cut: Cut) -> None:
    for number, (position, rank) in enumerate(batch.tolist()):
        writer.put(position, rank, model.as_seen(cut.projection[number]), cut.patch[number], cut.box[number])


def _recheck(
    entries: LayerTopK,
    found: np.ndarray,
    units: np.ndarray,
    batch: np.ndarray,
    path: str,
    tolerance: tuple[float, float],
) -> None:
    """Raise UserError if an activation computed again is not the one that was mined."""
    mined = entries.activation[tuple(batch.T)]
    part, of_strongest = tolerance
    allowed = part * mined + of_strongest * entries.activation.max()
    for number in np.flatnonzero(np.abs(found - mined) > allowed)[:1]:
        position, rank = batch[number]
        raise UserError(
            f"{path} says {mined[number]:.6g} for unit {units[position]}, rank {rank}, and computed again it is "
            f"{found[number]:.6g}; the top-k file is stale, mine again."
        )


def _require_match(topk: TopK, model: Model, packed: Packed, arguments: argparse.Namespace) -> None:
    require_weights(topk, arguments.topk, model.sha256(), arguments.model)
    require_images(topk, arguments.topk, packed.manifest_sha256, arguments.images)
    if (topk.first, topk.last) != (0, topk.images):
        raise UserError(
            f"{arguments.topk} is a shard (images {topk.first} to {topk.last - 1}); merge the shards first."
        )


def _layer(topk: TopK, name: str, path: str) -> LayerTopK:
    if name not in topk.layers:
        raise UserError(f"{path} has no layer {name!r}{nearest(name, topk.layers)}; it has {', '.join(topk.layers)}.")
    return topk.layers[name]


def _unique(units: list[int]) -> np.ndarray:
    return np.array(list(dict.fromkeys(units)))


def _filters(model: Model, filters: np.ndarray | None, units: np.ndarray) -> np.ndarray | None:
    inside = units[(units >= 0) & (units < len(filters))] if filters is not None else units
    return model.as_seen(filters[inside]) if filters is not None else None


def _in_image_order(entries: LayerTopK) -> np.ndarray:
    """Return (E, 2) rows of (unit position, rank), in the order of their images, so that each is read about once."""
    places = np.argwhere(entries.present)
    return places[np.argsort(entries.image_index[tuple(places.T)], kind="stable")]


def _batches(places: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(places), size):
        yield places[start : start + size]
