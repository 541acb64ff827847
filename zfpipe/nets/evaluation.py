"""What a network says of every image of a split, from its centre or from ten views (paper, section 4.1, table 2)."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from zfpipe.data.packed import Packed
from zfpipe.data.sizes import Size, size_name
from zfpipe.errors import UserError, require_one_of
from zfpipe.nets.models import Model
from zfpipe.progress import progress

VIEWS = (1, 10)


def view_corners(packed: Size, crop: Size) -> list[tuple[int, int]]:
    """Return (top, left) of the centre and of the four corners of a crop (height, width) inside a packed image."""
    down, across = (outer - inner for outer, inner in zip(packed, crop, strict=True))
    return [(round(down / 2), round(across / 2)), (0, 0), (0, across), (down, 0), (down, across)]


def views_of(images: np.ndarray, crop: Size, count: int) -> Iterator[np.ndarray]:
    """Yield `count` views (B, h, w, C) of images (B, H, W, C): the centre; or centre and corners, and each mirrored.

    Raises UserError for another count than 1 or 10.
    """
    require_one_of("evaluate.views", count, VIEWS)
    for top, left in view_corners(images.shape[1:3], crop)[: 1 if count == 1 else 5]:
        view = images[:, top : top + crop[0], left : left + crop[1]]
        yield view
        if count == 10:
            yield view[:, :, ::-1]


@torch.inference_mode()
def probabilities(model: Model, packed: Packed, batch_size: int, views: int = 1, what: str = "evaluate") -> np.ndarray:
    """Return the network's probabilities of its classes for each image, (N, classes) float32: the mean over views.

    Raises UserError if they are not finite.
    """
    found = np.empty((len(packed), len(model.classes)), np.float32)
    starts = range(0, len(packed), batch_size)
    for start in progress(starts, f"{what} {packed.split}", "images", len(packed), batch_size):
        images = packed.read(start, start + batch_size)
        seen = [_softmax(model, view) for view in views_of(images, model.input_size, views)]
        found[start : start + batch_size] = torch.stack(seen).mean(0).cpu().numpy()
    if not np.isfinite(found).all():
        raise UserError("The network's outputs are not finite; the training has diverged.")
    return found


def hits(found: np.ndarray, labels: np.ndarray, best: int) -> float:
    """Return the fraction of images whose label is among the `best` most probable classes (ties: the lower)."""
    ranked = np.argsort(-found, axis=1, kind="stable")[:, :best]
    return float((ranked == labels[:, None]).any(axis=1).mean())


def require_fit(model: Model, packed: Packed, path: str) -> None:
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


def _softmax(model: Model, view: np.ndarray) -> Tensor:
    pixels = torch.from_numpy(np.ascontiguousarray(view)).to(model.mean.device).permute(0, 3, 1, 2)
    return model.network(model.normalise(pixels)).softmax(1)
