"""A pass over images that keeps the strongest activations of every unit of some layers."""

from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np
import torch

from zfpipe.data.batches import Images, ahead, to_device
from zfpipe.data.decode import centre_crop
from zfpipe.errors import UserError
from zfpipe.nets.device import Later
from zfpipe.nets.layers import Layer
from zfpipe.nets.models import Model
from zfpipe.nets.quick import channels_last, quick
from zfpipe.nets.strongest import Strongest
from zfpipe.nets.trace import Traced
from zfpipe.progress import progress


def strongest_of(
    model: Model,
    traced: Traced,
    images: Images,
    rows: np.ndarray,
    chosen: Sequence[Layer],
    batch_size: int,
    what: str,
    k: int = 1,
) -> dict[str, Strongest]:
    """Return the k strongest activations of every unit of the chosen layers, by the layers' names.

    `rows` (N,) int64 says which images are looked at. One forward pass serves all layers, and the next batch is read
    while one is looked at. `what` begins the lines of progress. Raises UserError if activations are not finite.
    """
    channels_last(model.network)
    passes = quick(traced)
    found = {layer.step: Strongest.empty(layer.channels, k, model.mean.device) for layer in chosen}
    finite: list[tuple[list[str], Later]] = []
    batches = ahead(_batches(model, images, rows, batch_size))
    for indices, pixels in progress(batches, what, "images", len(rows), batch_size):
        with torch.inference_mode(), closing(passes.maps(model.normalise(pixels), found)) as maps:
            peaks = {step: found[step].add(a[: len(indices)], indices) for step, a in maps}
            finite.append((list(peaks), Later(torch.stack([each.isfinite().all() for each in peaks.values()]))))
        if len(finite) > 1:  # the batch before; a GPU has this one to do meanwhile
            _require_finite(*finite.pop(0), what)
    for last in finite:
        _require_finite(*last, what)
    return {layer.name: found[layer.step] for layer in chosen}


def _require_finite(steps: list[str], finite: Later, what: str) -> None:
    """Raise UserError unless the activations of every step are finite."""
    wrong = [step for step, whether in zip(steps, finite.get().tolist(), strict=True) if not whether]
    if wrong:
        raise UserError(
            f"{what}: the activations of {wrong[0]} are not finite; the training of this model has diverged."
        )


def _batches(
    model: Model, images: Images, rows: np.ndarray, batch_size: int
) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
    """Yield the rows of each batch and their images, centre-cropped, (batch_size, C, H, W) uint8.

    A short batch is filled up with zeros: always the same shape, since kernels may round differently for another.
    """
    for start in range(0, len(rows), batch_size):
        indices = rows[start : start + batch_size]
        pixels = centre_crop(images.read_rows(indices), model.input_size)
        short = batch_size - len(pixels)
        batch = np.pad(pixels, [(0, short), (0, 0), (0, 0), (0, 0)]) if short else np.ascontiguousarray(pixels)
        yield indices, to_device(batch, model.mean.device).permute(0, 3, 1, 2)
