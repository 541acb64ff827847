"""What is subtracted from pixels, and what they are divided by, before a network sees them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from zfpipe.data.batches import Images, channel_mean_and_std, pixel_mean
from zfpipe.errors import UserError

MEANS = ("pixel", "channel")


def preprocessing(
    mean: Sequence[str], std: Sequence[str], images: Images | None, channels: int = 3
) -> tuple[Tensor, Tensor]:
    """Return mean (C, P, Q) or (C, 1, 1) and std (C, 1, 1) float32, in pixel values 0..255.

    `mean` is 'pixel' (the mean image of the training set: the paper), 'channel', or one number or one for each of
    the `channels`; `std` is 'channel', or such numbers (the paper: 1). `images` is the training set, if there is one.
    Raises UserError for anything else, and if a training set is needed and missing.
    """
    counted = channel_mean_and_std(_needed(images, mean, std)) if ["channel"] in (list(mean), list(std)) else None
    if list(mean) == ["pixel"]:
        centre = torch.from_numpy(pixel_mean(_needed(images, mean, std)))
    else:
        centre = (
            torch.from_numpy(counted[0])
            if list(mean) == ["channel"]
            else numbers("mean", mean, ", ".join(MEANS), channels)
        )
    spread = torch.from_numpy(counted[1]) if list(std) == ["channel"] else numbers("std", std, "channel", channels)
    if not (spread > 0).all():
        raise UserError(f"train.std is {' '.join(map(str, spread.flatten().tolist()))}; each must be above 0.")
    return centre, spread


def _needed(images: Images | None, mean: Sequence[str], std: Sequence[str]) -> Images:
    if images is None:
        raise UserError(
            f"train.mean is {' '.join(mean)} and train.std is {' '.join(std)}, and there is no training set to take "
            "them from; give numbers (ImageNet's are 123.675 116.28 103.53 and 58.395 57.12 57.375)."
        )
    return images


def numbers(name: str, words: Sequence[str], names: str, channels: int) -> Tensor:
    """Return (C, 1, 1) float32 from one number, or one for each channel. Raises UserError, with the legal `names`."""
    try:
        found = [float(word) for word in words]
    except ValueError:
        found = []
    if len(found) not in (1, channels):
        each = {1: "", 3: ", or three (R G B)"}.get(channels, f", or {channels} (one a channel)")
        raise UserError(f"train.{name} is {' '.join(words)!r}; it can be: {names}, one number{each}.")
    return torch.tensor(found if len(found) == channels else found * channels).reshape(-1, 1, 1)
