"""What is done to pixels before a network sees them: what its given weights want, or what the config says."""

import argparse
from typing import Any

import torch

from zfpipe.data.batches import Images
from zfpipe.data.preprocessing import numbers, preprocessing
from zfpipe.errors import UserError
from zfpipe.nets.borrowed import Preprocess, entry_settings, is_entry, parse_preprocess, preprocess
from zfpipe.progress import say


def preprocess_of(arguments: argparse.Namespace, spec: dict[str, Any], weights: str | None) -> Preprocess | None:
    """Return what goes with given weights. Raises UserError where --mean or --std says something else."""
    if arguments.preprocess and weights in (None, "random"):
        raise UserError("preprocess goes with given weights, and model.weights names none; use train.mean, train.std.")
    prepare = parse_preprocess(arguments.preprocess)
    if prepare is None and is_entry(spec["name"], weights):
        prepare = preprocess(entry_settings(spec["name"], weights))
    if prepare is None:
        return None
    for name in ("mean", "std"):
        words, said = getattr(arguments, name), getattr(prepare, name)
        if words is not None and said is not None:
            found = " ".join(f"{number:g}" for number in said.flatten().tolist())
            counted = words in (["pixel"], ["channel"])
            if counted or not torch.allclose(numbers(name, words, "", len(said)), said, rtol=1e-3):
                raise UserError(
                    f"train.{name} is {' '.join(words)} and the weights' own preprocessing has {found} (in pixel "
                    f"values, RGB); leave train.{name} out."
                )
    say("Mean and std are those of the weights (preprocess), instead of train.mean and train.std.")
    return prepare


def mean_and_std(
    arguments: argparse.Namespace, prepare: Preprocess | None, images: Images | None, channels: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean (C, P, Q) or (C, 1, 1) and std (C, 1, 1) in pixel values 0..255, RGB.

    They are the weights' own, or given, or counted in `images`. Raises UserError where they do not fit the channels.
    """
    given = {name: getattr(prepare, name) if prepare else None for name in ("mean", "std")}
    default = {"mean": ["0"] if prepare else ["pixel"], "std": ["1"]}
    words = {
        name: default[name] if given[name] is not None else getattr(arguments, name) or default[name] for name in given
    }
    found = preprocessing(words["mean"], words["std"], images, channels)
    mean, std = (found[place] if own is None else own for place, own in enumerate(given.values()))
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, channels):
            raise UserError(f"preprocess.{name} has {len(values)} numbers, and the images have {channels} channels.")
    return tuple(values.expand(channels, *values.shape[1:]).contiguous() for values in (mean, std))
