"""The same network from nothing: with weights as they are drawn, or trained on a few images alone (paper, 4.3)."""

import argparse
import json
from dataclasses import replace

import numpy as np
from sklearn.metrics import balanced_accuracy_score

from zfpipe.data.drawing import Subset
from zfpipe.data.preprocessing import preprocessing
from zfpipe.data.transforms import centre_crop
from zfpipe.errors import UserError, nearest
from zfpipe.nets.evaluation import probabilities
from zfpipe.nets.machine import Machine
from zfpipe.nets.models import Model
from zfpipe.nets.options import add_recipe_arguments, recipe_of
from zfpipe.nets.start import fresh_network
from zfpipe.nets.steps import Diverged
from zfpipe.nets.training import Part, Training
from zfpipe.nets.yours import is_yours


def untrained(model: Model, seed: int) -> Model:
    """Return a model's own network with weights as He et al. draw them, and the model's preprocessing.

    Their scale keeps the signal of deep networks alive, and features are standardised after.
    """
    network = fresh_network(model.spec, max(1, len(model.classes)), seed, "he", 1.0)
    network.eval().requires_grad_(False)
    return replace(model, network=network).to(model.mean.device)


def recipe_from(text: str) -> argparse.Namespace:
    """Return a training's settings, as `zfpipe train` has them, from JSON with some of them; the rest by default.

    Raises UserError for what is not JSON, or no setting.
    """
    parser = argparse.ArgumentParser()
    add_recipe_arguments(parser)
    settings = parser.parse_args([])
    try:
        asked = dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise UserError(f"--recipe is {text!r}, which is no JSON object ({error}).") from error
    for key, value in asked.items():
        if key not in vars(settings):
            raise UserError(f"--recipe: there is no setting {key!r}{nearest(key, vars(settings))}.")
        if value is not None:
            words = value if isinstance(value, list) else [value]
            setattr(settings, key, [str(word) for word in words] if key in ("mean", "std") else value)
    return settings


def from_scratch(
    model: Model, settings: argparse.Namespace, epochs: int, train: Part, test: Subset, seed: int
) -> float:
    """Train a fresh network like the model's on `train` alone; return its mean accuracy over the classes of `test`.

    The recipe's first weights and seed are `settings` and `seed`; mean and spread of pixels are those of `train`. Test
    images decide nothing: where the recipe lowers its rate by the validation error, that of `train` stands in.
    Raises UserError when the loss is no longer finite.
    """
    if is_yours(model.spec["name"]):
        raise UserError(
            f"{model.spec['name']} draws its own outputs, so it cannot be built for other classes; "
            "set probe.scratch_epochs to 0."
        )
    images, classes = train.images, test.classes
    network = fresh_network(model.spec, len(classes), seed, settings.initialisation, settings.initial_scale)
    mean, std = preprocessing(settings.mean or ["pixel"], settings.std or ["1"], images, images.channels)
    device, recipe, size = model.mean.device, recipe_of(settings), model.input_size
    training = Training(network, size, recipe, train, train, mean, std, seed, Machine(device), model.bgr)
    optimizer, rows = recipe.optimizer(training.network), []
    for epoch in range(1, epochs + 1):
        try:
            rows.append(training.epoch(epoch, epochs, rows, optimizer))
        except Diverged as error:
            raise UserError(
                f"Training from scratch on {len(train)} images: {error}; choose a smaller train.learning_rate, "
                "or set probe.scratch_epochs to 0."
            ) from error
    mean = centre_crop(mean, size) if mean.shape[-1] > 1 else mean
    made = Model(network.eval(), model.spec, classes, mean, std, model.packed_size, model.bgr).to(device)
    found = probabilities(made, test, settings.batch_size, what="probe scratch")
    return float(balanced_accuracy_score(test.labels, np.argmax(found, axis=1)))
