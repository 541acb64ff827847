"""Find the strongest activations of every unit of the requested layers over one shard of the images.

One forward pass serves all layers. An image counts once for a unit, with the place where it excites it most.
"""

import argparse
from contextlib import closing

import numpy as np
import torch

from zfpipe.data.decode import centre_crop
from zfpipe.data.packed import Packed, open_packed
from zfpipe.data.sizes import size_name
from zfpipe.errors import UserError
from zfpipe.files.topk import LayerTopK, TopK, write_topk
from zfpipe.nets.device import add_device_arguments, prepare_device
from zfpipe.nets.layers import Layer, choose, layers
from zfpipe.nets.models import Model, load_model
from zfpipe.nets.strongest import Strongest
from zfpipe.nets.trace import trace
from zfpipe.progress import progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="PT", help="model file of the stage train")
    parser.add_argument("--images", required=True, metavar="H5", help="packed split to look at, usually val.h5")
    parser.add_argument("--out", required=True, metavar="H5", help="top-k file of this shard")
    parser.add_argument("--layers", required=True, nargs="+", metavar="NAME", help="layers, by name, or 'all'")
    parser.add_argument("--k", type=int, default=9, help="activations kept for each unit")
    parser.add_argument("--shard", type=int, default=1, help="which part of the images, from 1")
    parser.add_argument("--of", type=int, default=1, help="number of parts")
    parser.add_argument("--batch-size", type=int, default=32, help="images in one forward pass")
    add_device_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    if arguments.k < 1:
        raise UserError(f"mine.k is {arguments.k}; it must be at least 1 (the paper's value is 9).")
    if arguments.batch_size < 1:
        raise UserError(f"mine.batch_size is {arguments.batch_size}; it must be at least 1.")
    device = prepare_device(arguments.device, arguments.threads)
    model = load_model(arguments.model).to(device)
    with open_packed(arguments.images) as packed:
        first, last = shard_range(len(packed), arguments.shard, arguments.of)
        require_size(model, packed, arguments.images)
        side = model.input_size
        traced = trace(model.network, side, model.channels)
        available = layers(traced)
        every = [name for name, layer in available.items() if not layer.obstacle]
        chosen = choose(available, every if arguments.layers == ["all"] else arguments.layers)
        found = {layer.step: Strongest.empty(layer.channels, arguments.k) for layer in chosen}
        starts = range(first, last, arguments.batch_size)
        for start in progress(starts, "mine", "images", last - first, arguments.batch_size):
            indices = np.arange(start, min(start + arguments.batch_size, last))
            images = read_batch(model, packed, indices, arguments.batch_size)
            with torch.inference_mode(), closing(traced.maps(images, found)) as maps:
                for step, activations in maps:
                    _refuse_non_finite(activations, step, arguments.model)
                    found[step].add(activations[: len(indices)], indices)
        topk = TopK(
            k=arguments.k,
            model_sha256=model.sha256(),
            manifest_sha256=packed.manifest_sha256,
            images=len(packed),
            first=first,
            last=last,
            input_size=side,
            layers={layer.name: _as_layer(layer, found[layer.step]) for layer in chosen},
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


def require_size(model: Model, packed: Packed, path: str) -> None:
    """Raise UserError unless the packed images are of the size that the model's preprocessing was made for."""
    if packed.size != model.packed_size:
        needed = size_name(model.packed_size)
        raise UserError(
            f"{path} holds images of {size_name(packed.size)} px, and the model was made for {needed} px; "
            f"pack them with --size {needed}."
        )
    if packed.channels != model.channels:
        raise UserError(
            f"{path} holds images of {packed.channels} channels, and the model takes {model.channels}; "
            f"pack them with --channels {model.channels}."
        )


def read_batch(model: Model, packed: Packed, indices: np.ndarray, batch_size: int) -> torch.Tensor:
    """Return images, centre-cropped and normalised, (batch_size, C, H, W); a short batch is filled up with zeros.

    Always the same shape, since kernels may round differently for another.
    """
    pixels = centre_crop(packed.read(int(indices[0]), int(indices[-1]) + 1), model.input_size)
    batch = np.zeros((batch_size, *pixels.shape[1:]), np.uint8)
    batch[: len(pixels)] = pixels
    return model.normalise(torch.from_numpy(batch).to(model.mean.device).permute(0, 3, 1, 2))


def _refuse_non_finite(activations: torch.Tensor, step: str, path: str) -> None:
    if not torch.isfinite(activations.sum()):
        raise UserError(f"{path}: the activations of {step} are not finite; the training has diverged.")


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
    )
