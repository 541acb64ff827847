"""Find the strongest activations of every unit of the requested layers over one shard of the images.

One forward pass serves all layers. An image counts once for a unit, with the place where it excites it most.
"""

import argparse

import numpy as np
import torch

from zfpipe.data.packed import open_packed
from zfpipe.errors import UserError
from zfpipe.files.topk import PRECISIONS, LayerTopK, TopK, write_topk
from zfpipe.files.whole import require_writable
from zfpipe.nets.device import add_device_arguments, prepare_device
from zfpipe.nets.evaluation import require_fit
from zfpipe.nets.layers import Layer, chosen
from zfpipe.nets.looking import strongest_of
from zfpipe.nets.machine import Machine
from zfpipe.nets.memory import Fitting
from zfpipe.nets.models import load_model
from zfpipe.nets.strongest import Strongest
from zfpipe.nets.trace import trace

ON_A_CPU, ON_A_GPU = 32, 256  # images in one pass, if nothing else is asked for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="PT", help="model file of the stage train")
    parser.add_argument("--images", required=True, metavar="H5", help="packed split to look at, usually val.h5")
    parser.add_argument("--out", required=True, metavar="H5", help="top-k file of this shard")
    parser.add_argument("--layers", required=True, nargs="+", metavar="NAME", help="layers, by name, or 'all'")
    parser.add_argument("--k", type=int, default=9, help="activations kept for each unit")
    parser.add_argument("--shard", type=int, default=1, help="which part of the images, from 1")
    parser.add_argument("--of", type=int, default=1, help="number of parts")
    parser.add_argument(
        "--precision",
        default="float32",
        choices=PRECISIONS,
        help="of the passes: tf32 (CUDA) and bf16 are coarser; what that does to the ranking: docs/performance.md",
    )
    parser.add_argument(
        "--batch-size", type=int, help=f"images in one forward pass (default: {ON_A_CPU} on a CPU, {ON_A_GPU} on a GPU)"
    )
    add_device_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    if arguments.k < 1:
        raise UserError(f"mine.k is {arguments.k}; it must be at least 1 (the paper's value is 9).")
    if arguments.batch_size is not None and arguments.batch_size < 1:
        raise UserError(f"mine.batch_size is {arguments.batch_size}; it must be at least 1.")
    require_writable(arguments.out)
    device = prepare_device(arguments.device, arguments.threads)
    if arguments.batch_size is None:  # in its place, for the message of a machine that has no memory for it
        arguments.batch_size = ON_A_CPU if device.type == "cpu" else ON_A_GPU
    machine = Machine(device, precision=arguments.precision)
    model = load_model(arguments.model).to(device)
    with open_packed(arguments.images) as packed:
        first, last = shard_range(len(packed), arguments.shard, arguments.of)
        require_fit(model, packed, arguments.images)
        side = model.input_size
        traced = trace(model.network, side, model.channels)
        asked = chosen(traced, arguments.layers)
        images = np.arange(first, last)
        model_sha256 = model.sha256()
        if arguments.precision == "bf16":
            model.network.to(torch.bfloat16)
        with machine.computing():
            # The same size in all shards, so that all round alike; none larger than the set, which would be padding.
            found = Fitting("mine", min(arguments.batch_size, len(packed))).whole(
                lambda size: strongest_of(model, traced, packed, images, asked, size, "mine", arguments.k)
            )
        topk = TopK(
            k=arguments.k,
            model_sha256=model_sha256,
            manifest_sha256=packed.manifest_sha256,
            images=len(packed),
            first=first,
            last=last,
            input_size=side,
            precision=arguments.precision,
            layers={layer.name: _as_layer(layer, found[layer.name]) for layer in asked},
        )
    write_topk(arguments.out, topk)


def shard_range(images: int, shard: int, of: int) -> tuple[int, int]:
    """Return the half-open range of image_index of part `shard` (from 1) of `of`; parts differ by one image at most.

    Raises UserError if there are more shards than images.
    """
    if not 1 <= of <= images:
        raise UserError(f"mine.shards is {of}; with {images} images it can be 1 to {images}.")
    if not 1 <= shard <= of:
        raise UserError(f"The shard asked for is {shard}; with {of} shards it can be 1 to {of}.")
    return images * (shard - 1) // of, images * shard // of


def _as_layer(layer: Layer, found: Strongest) -> LayerTopK:
    axes = layer.field.axes
    return LayerTopK(
        layer.name,
        found.activation,
        found.image_index,
        found.row,
        found.col,
        receptive_field=tuple(axis.size for axis in axes),
        jump=tuple(axis.jump for axis in axes),
        start=tuple(axis.start for axis in axes),
        map_size=layer.map_size,
        histogram=found.histogram,
    )
