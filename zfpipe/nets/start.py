"""The network a run starts from: fresh, or with given weights and the outputs that these have."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zfpipe.data.batches import seed_for
from zfpipe.data.sizes import Size, pair, shortest, size_name
from zfpipe.errors import UserError, nearest
from zfpipe.files.checkpoint import load_state_dict
from zfpipe.nets.borrowed import entry_classes, entry_weights, interpolation, is_entry
from zfpipe.nets.initialise import initialise
from zfpipe.nets.models import OWN, Model, Stale, build, default_size, load_model, load_weights, without_prefix
from zfpipe.nets.yours import code_of, is_yours, outputs_of
from zfpipe.progress import say

MODEL_KEYS = ("name", "width", "input_size", "norm", "drop", "fc", "channels", "args", "weights")


def parse_model(text: str, dropout: float) -> tuple[dict[str, Any], str | None]:
    """Return the architecture's spec for `build`, and the weights asked for (a path, 'random' or None), from JSON.

    Our own networks get `dropout`, the chance to drop a unit of layers 6 and 7.
    Raises UserError for what is not JSON, lacks a name or has an unknown setting.
    """
    try:
        asked = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"--model is {text!r}, which is not JSON ({error}).") from error
    if not isinstance(asked, dict) or not isinstance(asked.get("name"), str):
        raise UserError(f'--model is {text!r}; it needs at least {{"name": "zfnet"}}.')
    for key in asked:
        if key not in MODEL_KEYS:
            raise UserError(f"model.{key} is no setting{nearest(key, MODEL_KEYS)}; there are: {', '.join(MODEL_KEYS)}.")
    spec = as_spec({key: value for key, value in asked.items() if value is not None})
    weights = spec.pop("weights", None)
    spec.setdefault("input_size", default_size(spec["name"]))
    if spec["name"] in OWN:
        spec["dropout"] = dropout
    if is_yours(spec["name"]):
        spec["code"] = code_of(spec["name"])  # in the model's digest, so that an edited network is another one
    elif "args" in spec:
        raise UserError(f"model.args goes with a network of your own, module:function; {spec['name']} takes none.")
    return spec, weights


def as_spec(asked: dict[str, Any]) -> dict[str, Any]:
    """Return a config's description of a model as `build` takes it, where `channels` are those of the input."""
    spec = dict(asked)
    if isinstance(spec.get("channels"), list):
        spec["maps"] = spec.pop("channels")
    return spec


def fresh_network(spec: dict[str, Any], classes: int, seed: int, initialisation: str, scale: float) -> nn.Module:
    """Return the network of `spec` with first weights that `seed` decides; one of the user's own draws its own."""
    torch.manual_seed(seed_for(seed, "first weights"))
    network = build(spec, classes)
    if is_yours(spec["name"]):
        say(f"First weights are those that {spec['name']} draws; train.initialisation is for the other networks.")
        initialisation = "framework"
    initialise(network, initialisation, scale)
    return network


def given_network(spec: dict[str, Any], path: str | Path, classes: list[str]) -> tuple[nn.Module, list[str]]:
    """Return the network with the weights in `path` as they are, and the names of its outputs.

    The names are `classes` if their number fits, else class-0000 ... for as many outputs as the weights have.
    Raises UserError if the weights are another network's.
    """
    if is_yours(spec["name"]):
        network = build(spec, len(classes))
        load_weights(network, without_prefix(network.state_dict(), load_state_dict(path)), path)
        outputs = outputs_of(network, spec.get("channels", 3), pair(spec["input_size"]))
    else:
        weights = _weights_for(spec, path)
        outputs = _outputs_of(spec, weights, len(classes))
        network = build(spec, outputs)
        load_weights(network, weights, path)
    return network, named_outputs(path, outputs, classes)


def borrowed_network(spec: dict[str, Any], weights: str) -> tuple[nn.Module, list[str]]:
    """Return torchvision's network with weights of its own, by name, and the names of its outputs."""
    classes = entry_classes(spec["name"], weights)
    if (how := interpolation(spec["name"], weights)) != "bilinear":
        say(f"{weights} was made with {how} resizing; images here are packed with antialiased bilinear resizing.")
    network = build(spec, len(classes))
    load_weights(network, entry_weights(spec["name"], weights), weights)
    return network, classes


def named_outputs(path: str | Path, outputs: int | None, classes: list[str]) -> list[str]:
    """Return a name for each output: the classes if their number fits, else by number; none where there are none."""
    if outputs is None:
        return []
    if outputs != len(classes):
        say(f"{path} has {outputs} outputs and the data set {len(classes)} classes: outputs are named by number.")
        return [f"class-{number:04d}" for number in range(outputs)]
    return classes


def model_given(path: str | Path, input_size: int | Size) -> Model | None:
    """Return what a model file of zfpipe says of itself (classes, preprocessing), or None for a bare state_dict.

    Raises UserError if the file was made for another input size than `input_size` pixels.
    """
    try:
        model = load_model(path)
    except Stale:
        raise
    except UserError:  # another kind of file; whether it holds weights at all is for given_network to say
        return None
    if model.input_size != pair(input_size):
        raise UserError(
            f"{path} was trained for an input of {size_name(model.input_size)} px and model.input_size is "
            f"{size_name(input_size)}; set model.input_size to {shortest(model.input_size)}."
        )
    return model


def fine_tuned_network(network: nn.Module, spec: dict[str, Any], path: str | Path, classes: int) -> nn.Module:
    """Put the weights in `path` into a fresh network; its output layer stays fresh if the class counts differ."""
    if is_yours(spec["name"]):
        load_weights(network, without_prefix(network.state_dict(), load_state_dict(path)), path)
        return network
    weights = entry_weights(spec["name"], path) if is_entry(spec["name"], path) else _weights_for(spec, path)
    if _outputs_of(spec, weights, classes) != classes:
        own = network.state_dict()
        replaced = [key for key in _output_keys(spec) if key in weights]
        say(f"{path} was made for other classes: {', '.join(replaced)} start fresh.")
        weights |= {key: own[key] for key in replaced}
    load_weights(network, weights, path)
    return network


def _weights_for(spec: dict[str, Any], path: str | Path) -> dict[str, Tensor]:
    """Return the weights in a file under the names that the network of `spec` gives them, where they have those."""
    with torch.device("meta"):
        return without_prefix(build(spec, 2).state_dict(), load_state_dict(path))


def _outputs_of(spec: dict[str, Any], weights: dict[str, Tensor], default: int) -> int:
    """Return how many outputs the weights were made for; `default` where that cannot be seen."""
    found = {weights[key].shape[0] for key in _output_keys(spec) if key in weights and weights[key].dim()}
    return found.pop() if len(found) == 1 else default


def _output_keys(spec: dict[str, Any]) -> list[str]:
    """Return the state_dict keys whose shape goes with the number of classes."""
    with torch.device("meta"):  # shapes alone: no memory, no drawing of weights
        one, other = build(spec, 2).state_dict(), build(spec, 3).state_dict()
    return [key for key in one if one[key].shape != other[key].shape]
