"""Borrowed weights: torchvision's, by name, with the preprocessing and class names that go with them; and anyone's."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor

from zfpipe.errors import UserError, nearest, require_one_of
from zfpipe.files.checkpoint import load_state_dict
from zfpipe.progress import say

ORDERS, RANGES = ("RGB", "BGR"), (255, 1)
KEYS = ("resize", "crop", "mean", "std", "channel_order", "value_range")
NAME = re.compile(r"(\w+_Weights\.)?([A-Z][A-Z0-9_]*)")
# With its weights, torchvision has these two networks undo ImageNet's mean and std for one half and one half.
HALVES = ("googlenet", "inception_v3")


@dataclass(frozen=True)
class Preprocess:
    """What is done to pixels before a network of given weights sees them.

    `mean` and `std` (C, 1, 1) are in pixel values 0..255 and in the order of the image's channels (RGB), whatever
    order the network takes; None where nothing is said. `bgr`: the network takes blue first.
    """

    mean: Tensor | None
    std: Tensor | None
    bgr: bool


def parse_preprocess(text: str | None) -> Preprocess | None:
    """Return what the JSON of --preprocess says, or None. Raises UserError for a wrong key or value."""
    if text is None:
        return None
    try:
        asked = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"--preprocess is {text!r}, which is not JSON ({error}).") from error
    return preprocess(asked)


def preprocess(asked: Mapping[str, Any]) -> Preprocess:
    """Return checked preprocessing from a config's `preprocess`; resize and crop are for the stage pack."""
    for key in asked:
        if key not in KEYS:
            raise UserError(f"preprocess.{key} is no setting{nearest(key, KEYS)}; there are: {', '.join(KEYS)}.")
    order, top = asked.get("channel_order") or "RGB", asked.get("value_range") or 255
    require_one_of("preprocess.channel_order", order, ORDERS)
    require_one_of("preprocess.value_range", top, RANGES)
    mean, std = (_numbers(name, asked.get(name), 255 / top, order == "BGR") for name in ("mean", "std"))
    if std is not None and not (std > 0).all():
        raise UserError(f"preprocess.std is {asked['std']}; each has to be above 0.")
    # Without a std, a network that takes 0..1 still needs its pixels divided by 255.
    if top == 1 and std is None:
        std = torch.full_like(mean, 255.0) if mean is not None else torch.full((1, 1, 1), 255.0)
    return Preprocess(mean, std, order == "BGR")


def _numbers(name: str, given: Any, factor: float, reverse: bool) -> Tensor | None:
    if given is None:
        return None
    numbers = [float(number) for number in (given if isinstance(given, list) else [given])]
    if reverse:
        numbers = numbers[::-1]
    return torch.tensor([number * factor for number in numbers]).reshape(-1, 1, 1)


def is_entry(name: str, weights: str | None) -> bool:
    """Whether `weights` names an entry of torchvision's, not a file: IMAGENET1K_V1, ResNet18_Weights.DEFAULT."""
    looks = bool(weights) and weights != "random" and NAME.fullmatch(weights) is not None
    return looks and name.startswith("torchvision:") and not Path(weights).exists()


def entry(name: str, weights: str):
    """Return torchvision's weights entry. Raises UserError, with those there are, if it has no such one."""
    from torchvision import models  # here, since only these need its second of start-up

    network = name.removeprefix("torchvision:")
    try:
        entries = models.get_model_weights(network)
    except ValueError as error:
        classifiers = models.list_models(module=models)
        raise UserError(
            f"model.name: torchvision has no classifier {network!r}{nearest(network, classifiers)}."
        ) from error
    prefix, _, key = weights.rpartition(".")
    legal = [*entries.__members__]
    if prefix not in ("", entries.__name__) or key not in legal:
        own = [f"{entries.__name__}.{member}" for member in legal] if prefix else legal
        raise UserError(
            f"model.weights is {weights!r}, which is no file and no weights of torchvision's {network}"
            f"{nearest(weights, own)}; it has: {', '.join(own) or 'none'}."
        )
    return entries[key]


def entry_settings(name: str, weights: str) -> dict[str, Any]:
    """Return the preprocessing of an entry, as a config's `preprocess` says it."""
    how = entry(name, weights).transforms()
    half = name.removeprefix("torchvision:") in HALVES
    return {
        "resize": how.resize_size[0],
        "crop": how.crop_size[0],
        "mean": [0.5] * 3 if half else list(how.mean),
        "std": [0.5] * 3 if half else list(how.std),
        "channel_order": "RGB",
        "value_range": 1,
    }


def interpolation(name: str, weights: str) -> str:
    """Return how an entry's preprocessing resizes: 'bilinear', as the stage pack does, or another word."""
    return entry(name, weights).transforms().interpolation.value


def entry_classes(name: str, weights: str) -> list[str]:
    """Return the names of an entry's outputs."""
    return list(entry(name, weights).meta["categories"])


def entry_file(name: str, weights: str) -> Path:
    """Return the file of an entry's weights in torch's cache, fetched where it is not there yet.

    Raises UserError, with where to put the file, if it cannot be fetched.
    """
    url = entry(name, weights).url
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name
    if path.is_file():
        return path
    say(f"Fetching {path.name} into {path.parent}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = re.search(r"-([0-9a-f]{8,})\.", path.name)
    try:
        torch.hub.download_url_to_file(url, str(path), hash_prefix=digest and digest[1], progress=False)
    except (OSError, RuntimeError) as error:  # no network, a refusing server, or other bytes than promised
        raise UserError(
            f"The weights {weights} of {name} cannot be fetched ({str(error).splitlines()[0]}); "
            f"put the file {path.name} into {path.parent}, or give a path as model.weights."
        ) from error
    return path


def entry_weights(name: str, weights: str) -> dict[str, Tensor]:
    """Return an entry's state_dict, under the names that the network has today."""
    found = load_state_dict(entry_file(name, weights))
    if "densenet" in name:  # its files are older than the names of its modules
        found = {re.sub(r"(norm|relu|conv)\.([12])\.", r"\1\2.", key): value for key, value in found.items()}
    return found
