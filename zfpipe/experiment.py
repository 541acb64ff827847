"""The config as plain dicts: checked against its schema, with every default filled in. Used by the Snakefile alone."""

import contextlib
import copy
import functools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zfpipe.data.sizes import Size, fits, packed_for, pair, size_name
from zfpipe.errors import UserError, nearest
from zfpipe.experiment_data import check_read, checked_dataset
from zfpipe.experiment_images import check_images
from zfpipe.experiment_probe import check_probe
from zfpipe.nets.names import DEFAULT_SIZE, OWN_LAYERS
from zfpipe.schema import checked, existing, one_of, over

ENTRY = r"(\w+_Weights\.)?[A-Z][A-Z0-9_]*"  # how torchvision names its weights
SECTIONS = ("pack", "train", "audit", "mine", "reconstruct", "figure", "gallery", "view")
SECTIONS += ("evaluate", "invariance", "occlude", "similarity", "correspond", "probe", "evolve", "selectivity")


def load(config: dict[str, Any], schema_path: str | Path) -> dict[str, Any]:
    """Return {'device', 'cluster', 'datasets': {name: ...}, 'runs': {name: ...}} with every key that a stage needs.

    A run's own keys go over the top-level ones, those over the schema's defaults. Only what is used is returned.
    Raises UserError that names the key, the value and what would be right.
    """
    config, top = checked(config, schema_path)
    runs = {name: _run(name, top, config["runs"][name]) for name in _names(top)}
    _check_layer_keys(top, config, runs)
    _check_beside(runs, top["runs"])
    _check_together(runs, top["runs"])
    filters = top["filters"] | {"runs": _filtered(top, runs)}
    used = {name for run in runs.values() for name in (run["dataset"], run["probe"]["dataset"])}
    datasets = {name: checked_dataset(name, top, config["datasets"][name]) for name in top["datasets"] if name in used}
    return {
        "device": top["device"],
        "ablate": top["ablate"],
        "filters": filters,
        "compare": top["compare"],
        "cluster": top["cluster"],
        "datasets": datasets,
        "runs": runs,
    }


def packed_size(run: dict[str, Any]) -> Size:
    """Return height and width of a run's packed images: its own setting, or 8/7 of the input (the paper's 256 for 224).

    `preprocess.resize` is the shorter side, as everyone's is.
    """
    if run["pack"]["size"]:
        return pair(run["pack"]["size"])
    resize = (run.get("preprocess") or {}).get("resize")
    if resize is None:
        return packed_for(run["model"]["input_size"])
    crop = pair(run["model"]["input_size"])
    height, width = (round(side * resize / min(crop)) for side in crop)
    return height, width


def _check_beside(runs: dict[str, Any], known: dict[str, Any]) -> None:
    """See that a run that is set beside another has its layers; the gallery takes the figures' other run by default."""
    for name, run in runs.items():
        others = [other for other in known if other != name]
        for section in ("gallery", "figure"):
            if run[section]["beside"] is not None:
                _require_made(f"runs.{name}: {section}.beside", run[section]["beside"], others, runs)
        run["gallery"]["beside"] = run["gallery"]["beside"] or run["figure"]["beside"]
        other, at = run["figure"]["beside"], f"runs.{name}: figure.beside"
        for layer in run["layers"] if other else ():
            if layer not in runs[other]["layers"]:
                raise UserError(
                    f"config: {at} names {other!r}, which has no layer {layer!r}; both runs need the same layers, and "
                    f"it has {', '.join(runs[other]['layers'])}."
                )


def _check_together(runs: dict[str, Any], known: dict[str, Any]) -> None:
    """See that the runs of an ensemble, and the control of a comparison, are made too, and of one data set."""
    for name, run in runs.items():
        alike = [other for other in known if other != name and known[other]["dataset"] == known[name]["dataset"]]
        for other in run["evaluate"]["with"]:
            _require_made(f"runs.{name}: evaluate.with", other, alike, runs)
        if run["similarity"]["to"] is not None:
            _require_made(f"runs.{name}: similarity.to", run["similarity"]["to"], alike, runs)


def _filtered(top: dict[str, Any], runs: dict[str, Any]) -> list[str]:
    """Return the runs whose filters are set side by side; see that they are made."""
    for name in top["filters"]["runs"] or ():
        _require_made("filters.runs", name, list(top["runs"]), runs)
    return top["filters"]["runs"] or list(runs)


def _require_made(at: str, other: str, legal: list[str], runs: dict[str, Any]) -> None:
    """Raise UserError unless another run is one of the `legal` ones, and is made too."""
    one_of(at, other, legal)
    if other not in runs:
        raise UserError(f"config: {at} names {other!r}, which `only` leaves out; name it there too.")


def _names(top: dict[str, Any]) -> list[str]:
    only = top["only"]
    if only is None:
        return list(top["runs"])
    names = dict.fromkeys([only] if isinstance(only, str) else only)
    for name in names:
        one_of("only", name, top["runs"])
    return list(names)


def _run(name: str, top: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    at = f"runs.{name}"
    run = copy.deepcopy(top["runs"][name])
    one_of(f"{at}.dataset", run["dataset"], top["datasets"])
    for section in SECTIONS:
        run[section] = over(top[section], own.get(section, {}))
    _check_model(at, run, own.get("train", {}))
    check_read(at, run, top["datasets"][run["dataset"]]["source"])
    run["channels"] = top["datasets"][run["dataset"]]["channels"]
    _check_channels(at, run)
    for section in ("train", "mine"):
        if run[section]["precision"] == "tf32" and top["device"] in ("cpu", "mps"):
            raise UserError(f"config: {at}.{section}.precision is tf32, which CUDA has, and device is {top['device']}.")
    run["layers"] = _layers(at, run)
    run["second_layer"] = next((name for name in _known_layers(at, run)[1:2] if name in run["layers"]), None)
    check_images(at, run, lambda: _known_layers(at, run))
    check_probe(at, run, top["datasets"], lambda: _known_layers(at, run))
    if run["evolve"]["enabled"]:
        _check_evolve(at, run)
    run["evolve"]["layers"] = run["evolve"]["layers"] or run["layers"]
    return run


def _check_model(at: str, run: dict[str, Any], own_training: dict[str, Any]) -> None:
    """Fill in the input size; see that weights are there where they are needed, and that the crop fits the image."""
    model = run["model"]
    weights = model.get("weights")
    if _is_entry(model):
        from zfpipe.nets.borrowed import entry_settings  # here, since torch takes seconds to import

        with _said_of(at):
            run["preprocess"] = entry_settings(model["name"], weights) | run.get("preprocess", {})
    elif weights not in (None, "random"):
        if re.fullmatch(ENTRY, weights) and not os.path.exists(weights):
            raise UserError(
                f"config: {at}.model.weights is {weights!r}, the name of weights of torchvision's, and the network is "
                f"{model['name']}; they go with torchvision:NAME, and here it is a file."
            )
        model["weights"] = existing(f"{at}.model.weights", weights, "file")
    if "preprocess" in run:
        _check_preprocess(at, run, own_training)
    model.setdefault("input_size", DEFAULT_SIZE.get(model["name"], 224))
    if run["train"]["epochs"] == 0 and weights is None:
        raise UserError(
            f"config: {at} has train.epochs 0 and no model.weights; name a file of weights, or `random` for an "
            "untrained control, or train for at least 1 epoch."
        )
    if not fits(model["input_size"], packed_size(run)):
        raise UserError(
            f"config: {at} has pack.size {size_name(packed_size(run))}, which is smaller than model.input_size "
            f"{size_name(model['input_size'])}; the crop has to fit into the packed image."
        )


def _check_channels(at: str, run: dict[str, Any]) -> None:
    """See that there is a mean for each channel, and that the channels to show are there."""
    count = run["channels"]
    for key in ("mean", "std"):
        given = run["train"][key]
        if isinstance(given, list) and len(given) not in (1, count):
            raise UserError(
                f"config: {at}: train.{key} has {len(given)} numbers, and the images {count} channels; give one "
                "number, or one a channel."
            )
    if run["figure"]["channels"]:
        from zfpipe.data.channels import shown_channels  # here, since most configs do without

        with _said_of(at):
            shown_channels(run["figure"]["channels"], count)


def _is_entry(model: dict[str, Any]) -> bool:
    """Whether the weights are torchvision's own, by name; decided without importing torch."""
    name, weights = model["name"], model.get("weights")
    entry = re.fullmatch(ENTRY, weights or "")
    return name.startswith("torchvision:") and bool(entry) and not os.path.exists(weights)


def _check_preprocess(at: str, run: dict[str, Any], own_training: dict[str, Any]) -> None:
    """Take the crop as the input size; the weights' mean and std replace the training's, unless the run has both."""
    model, prepare = run["model"], run["preprocess"]
    if model.get("weights") in (None, "random"):
        raise UserError(
            f"config: {at} has `preprocess`, which goes with given weights, and no model.weights; use train.mean and "
            "train.std for a network of its own."
        )
    if "crop" in prepare:
        model.setdefault("input_size", prepare["crop"])
    for key in ("mean", "std"):
        if key in prepare and key not in own_training:  # given both: the stage train compares them
            run["train"][key] = None


@contextlib.contextmanager
def _said_of(at: str) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserError(f"config: {at}: {str(error).rstrip('.')}.") from error


def _layers(at: str, run: dict[str, Any]) -> list[str]:
    """Return the run's layers in the order of the network; `all` is spelled out."""
    known = _known_layers(at, run)
    if run["layers"] == "all":
        return known
    for name in run["layers"]:
        one_of(f"{at}.layers", name, known)
    return [name for name in known if name in run["layers"]]


def _known_layers(at: str, run: dict[str, Any]) -> list[str]:
    """Return the layers of a network. One that is not our own is built and traced for that, which takes seconds."""
    model, name = run["model"], run["model"]["name"]
    if name in OWN_LAYERS:
        return [layer for layer in OWN_LAYERS[name] if int(layer[-1]) not in model.get("drop", ())]
    if ":" not in name:
        raise UserError(
            f"config: {at}.model.name is {name!r}{nearest(name, OWN_LAYERS)}; it can be: {', '.join(OWN_LAYERS)}, "
            "torchvision:NAME, yourmodule:function."
        )
    for key in ("width", "norm", "drop", "fc", "channels"):
        if key in model:
            raise UserError(f"config: {at}.model.{key} goes with {' and '.join(OWN_LAYERS)}; this network is {name}.")
    spec = {key: model[key] for key in model if key != "weights"}
    if run["channels"] != 3:
        spec["channels"] = run["channels"]
    with _said_of(at):
        return list(_traced_layers(json.dumps(spec)))


@functools.cache
def _traced_layers(spec: str) -> tuple[str, ...]:
    from zfpipe.nets.layers import layers  # here, since torch takes seconds to import
    from zfpipe.nets.models import build
    from zfpipe.nets.trace import trace

    model = json.loads(spec)
    size, channels = pair(model["input_size"]), model.get("channels", 3)
    found = layers(trace(build(model, classes=2), size, channels))
    return tuple(name for name, layer in found.items() if not layer.obstacle)


def _check_evolve(at: str, run: dict[str, Any]) -> None:
    """See that a run whose units are followed through training has epochs and layers; null layers are its own."""
    evolve, last = run["evolve"], run["train"]["epochs"]
    if last == 0:
        raise UserError(
            f"config: {at} has evolve.enabled and train.epochs 0: weights that are taken as they are have no epochs; "
            f"set evolve.enabled to false in this run, or train it."
        )
    for epoch in evolve["epochs"] or ():
        if epoch > last:
            raise UserError(
                f"config: {at}: evolve.epochs names {epoch}, and train.epochs is {last}; it can be 1 to {last}."
            )
    for name in evolve["layers"] or ():
        one_of(f"{at}: evolve.layers", name, _known_layers(at, run))


def _check_layer_keys(top: dict[str, Any], config: dict[str, Any], runs: dict[str, Any]) -> None:
    """A run's own settings by layer have to be of its layers; the top level's, of a layer of some run."""
    for name, run in runs.items():
        for key, layer in _layer_keys(config["runs"][name]):
            one_of(f"runs.{name}.{key}", layer, run["layers"])
    everywhere: list[str] = []
    for name, run in top["runs"].items():
        layers = runs[name]["layers"] if name in runs else run["layers"]
        if layers == "all":  # of a run that is left out now: not worth building its network
            return
        everywhere += layers
    for key, layer in _layer_keys(config):
        one_of(key, layer, dict.fromkeys(everywhere))


def _layer_keys(settings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for section, key in (("reconstruct", "units"), ("figure", "units"), ("figure", "count")):
        for layer in settings.get(section, {}).get(key, {}):
            if (key, layer) != ("count", "default"):
                yield f"{section}.{key}", layer
