"""What is subtracted from pixels, and what they are divided by, before a network sees them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from zfpipe.data.batches import Images, channel_mean_and_std, pixel_mean
from zfpipe.errors import UserError

MEANS = ("pixel", "channel")


def preprocessing(mean: Sequence[str], std: Sequence[str], images: Images | None) -> tuple[Tensor, Tensor]:
    """Return mean (3, P, P) or (3, 1, 1) and std (3, 1, 1) float32, in pixel values 0..255.

    `mean` is 'pixel' (the mean image of the training set: the paper), 'channel', or one or three numbers; `std` is
    'channel', or one or three numbers (the paper: 1). `images` is the training set, if there is one.
    Raises UserError for anything else, and if a training set is needed and missing.
    """
    counted = channel_mean_and_std(_needed(images, mean, std)) if ["channel"] in (list(mean), list(std)) else None
    if list(mean) == ["pixel"]:
        centre = torch.from_numpy(pixel_mean(_needed(images, mean, std)))
    else:
        centre = torch.from_numpy(counted[0]) if list(mean) == ["channel"] else _numbers("mean", mean, ", ".join(MEANS))
    spread = torch.from_numpy(counted[1]) if list(std) == ["channel"] else _numbers("std", std, "channel")
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


def _numbers(name: str, words: Sequence[str], names: str) -> Tensor:
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3):
        raise UserError(f"train.{name} is {' '.join(words)!r}; it can be: {names}, one number, or three (R G B).")
    return torch.tensor(numbers if len(numbers) == 3 else numbers * 3).reshape(3, 1, 1)
