"""Train a network on a packed data set, or take given weights as they are (--epochs 0).

By default as in the paper: SGD with momentum 0.9, learning rate 0.01 lowered when the validation error stops falling,
batches of 128, dropout 0.5, the mean image subtracted, ten sub-crops, and convolution filters held to an RMS of 0.1.

Every epoch is saved in --state. A training that was stopped goes on from there and ends with the same weights; more
epochs later train only the rest, fewer take what is there.
"""

import argparse
import contextlib
import dataclasses
from typing import Any

import torch
from torch import nn

from zfpipe.data.batches import check_splits, in_memory_if_it_fits
from zfpipe.data.packed import Packed, open_packed
from zfpipe.data.sizes import Size, pair
from zfpipe.data.streamed import Streamed, watched
from zfpipe.data.transforms import centre_crop
from zfpipe.errors import UserError
from zfpipe.files.code import code_sha256
from zfpipe.files.digest import sha256_value
from zfpipe.files.sums import table_with_sums
from zfpipe.files.topk import PRECISIONS
from zfpipe.files.whole import write_text
from zfpipe.nets.borrowed import Preprocess, is_entry
from zfpipe.nets.device import add_device_arguments, prepare_device
from zfpipe.nets.launch import together
from zfpipe.nets.machine import Machine
from zfpipe.nets.models import Model, save_model
from zfpipe.nets.normalisation import mean_and_std, preprocess_of
from zfpipe.nets.options import add_file_arguments, add_recipe_arguments, recipe_of
from zfpipe.nets.outcome import like_guessing
from zfpipe.nets.start import (
    borrowed_network,
    fine_tuned_network,
    fresh_network,
    given_network,
    model_given,
    parse_model,
)
from zfpipe.nets.state import State, key_of, plain_weights, train_to
from zfpipe.nets.team import Team
from zfpipe.nets.training import Part, Recipe, Row, Training, as_csv
from zfpipe.nets.yours import is_yours, outputs_of
from zfpipe.pictures.curves import draw_curves
from zfpipe.progress import say

# The code that decides the weights; first weights count by their own digest. What writes files does not count.
CODE = ("zfpipe.nets.training", "zfpipe.nets.paper", "zfpipe.data.preprocessing")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe train`."""
    add_file_arguments(parser.add_argument_group("files"))
    add_recipe_arguments(parser)
    _add_machine(parser.add_argument_group("machine"))


def _add_machine(group: argparse._ArgumentGroup) -> None:
    add_device_arguments(group)
    add = group.add_argument
    add("--memory", type=float, default=4.0, help="training images held in memory up to this many GB, else read anew")
    add("--devices", type=int, default=1, help="processes that train together, each on a GPU (or a part of the CPU)")
    add(
        "--precision",
        default="float32",
        choices=PRECISIONS,
        help="of the training's passes; tf32 (CUDA) and bf16 are faster and coarser, and are other trainings",
    )
    add("--workers", type=int, default=4, help="of --threads, how many decode images with --train-manifest")
    add("--lock-timeout", type=float, default=600.0, help="seconds to wait for another training of the same network")


def run(arguments: argparse.Namespace) -> None:
    """Write the model, its metrics and curves. Raises UserError for settings or files that do not fit."""
    _, weights = parse_model(arguments.model, arguments.dropout)
    _check(arguments, weights)
    recipe_of(arguments)  # said once, before any process is started
    if arguments.epochs == 0:
        _work(arguments, Team(), "")
    else:
        together(_work, arguments)


def _work(arguments: argparse.Namespace, team: Team, meeting: str) -> None:
    spec, weights = parse_model(arguments.model, arguments.dropout)
    prepare = preprocess_of(arguments, spec, weights)
    machine = _machine(arguments, team, meeting)
    with contextlib.ExitStack() as files:
        val = files.enter_context(open_packed(arguments.val))
        train = _training_split(arguments, team, val, files)
        check_splits(spec["input_size"], train, val)
        if val.channels != 3:
            spec["channels"] = val.channels
        work = _take if arguments.epochs == 0 else _train
        files.enter_context(watched())
        model, rows, facts = work(arguments, spec, weights, prepare, train, val, machine)
    if not team.leads:
        return
    save_model(arguments.out_model, model, epoch=arguments.epochs, **facts)
    write_text(arguments.out_metrics, table_with_sums(as_csv(rows)))
    without = f"the weights {'are random' if weights == 'random' else 'were given as they are'}"
    draw_curves(arguments.out_curves, rows, arguments.title or spec["name"], without)


def _training_split(
    arguments: argparse.Namespace, team: Team, val: Packed, files: contextlib.ExitStack
) -> Packed | Streamed | None:
    if arguments.train_manifest:
        workers = team.part_of(arguments.workers)
        return Streamed(arguments.train_manifest, arguments.root, val.size, val.channels, workers)
    return files.enter_context(open_packed(arguments.train)) if arguments.train else None


def _machine(arguments: argparse.Namespace, team: Team, meeting: str) -> Machine:
    threads = torch.get_num_threads() if arguments.threads is None and not team.alone else arguments.threads
    if arguments.train_manifest and threads:
        threads = max(1, threads - arguments.workers)
    device = team.join(prepare_device(arguments.device, team.part_of(threads)), meeting)
    return Machine(device, team, arguments.precision)


def _train(
    arguments: argparse.Namespace,
    spec: dict,
    weights: str | None,
    prepare: Preprocess | None,
    train: Packed | Streamed,
    val: Packed,
    machine: Machine,
) -> tuple[Model, list[Row], dict[str, Any]]:
    recipe, network = recipe_of(arguments), _fresh(arguments, spec, len(train.classes))
    _require_outputs(network, spec, train.classes)
    if weights not in (None, "random"):
        network = fine_tuned_network(network, spec, weights, len(train.classes))
    facts = _facts(arguments, spec, recipe, network, train, val)
    if arguments.preprocess or (prepare and prepare.bgr):
        facts["preprocess"] = arguments.preprocess
    state = State(arguments.state, key_of(facts))
    team = machine.team
    with state.locked(arguments.lock_timeout) if team.leads else contextlib.nullcontext():
        start = team.shared(lambda: state.newest(arguments.epochs, arguments.keep_epoch))
        say(f"{state.folder} holds {start or 'none'} of {arguments.epochs} epochs.")
        images = in_memory_if_it_fits(train, arguments.memory / team.size) if start < arguments.epochs else train
        mean, std = team.shared(
            lambda: state.preprocessing(start) or mean_and_std(arguments, prepare, images, train.channels)
        )
        parts = Part(images, train.labels), Part(val, val.labels)
        bgr = bool(prepare and prepare.bgr)
        training = Training(network, spec["input_size"], recipe, *parts, mean, std, arguments.seed, machine, bgr)
        rows = train_to(training, state, start, arguments.epochs, facts)
        model = _as_model(network, spec, train.classes, mean, std, train.size, bgr)
        origin = {"key": state.folder.name, "train_sha256": train.manifest_sha256, "val_sha256": val.manifest_sha256}
        if not team.leads:
            return model, rows, origin
        _hand_out_epochs(arguments, state, model, origin)
        network.load_state_dict(state.load(arguments.epochs)["weights"])
        say(f"{state.folder} takes {state.bytes_used() / 1e6:.0f} MB.")
    if warning := like_guessing(rows, len(train.classes), network):
        say(warning)
    return model, rows, origin


def _hand_out_epochs(arguments: argparse.Namespace, state: State, model: Model, origin: dict[str, Any]) -> None:
    folder = arguments.out_epochs or arguments.out_model.parent
    for epoch in sorted(set(arguments.keep_epoch)):
        model.network.load_state_dict(state.load(epoch)["weights"])
        save_model(folder / f"epoch-{epoch:04d}.pt", model, epoch=epoch, **origin)


def _take(
    arguments: argparse.Namespace,
    spec: dict,
    weights: str | None,
    prepare: Preprocess | None,
    train: Packed | Streamed | None,
    val: Packed,
    machine: Machine,
) -> tuple[Model, list[Row], dict[str, Any]]:
    borrowed = is_entry(spec["name"], weights)
    own = None if weights == "random" or borrowed else model_given(weights, spec["input_size"])
    if weights == "random":
        network = _fresh(arguments, spec, len(val.classes))
        classes = val.classes if _outputs(network, spec) == len(val.classes) else []
    elif borrowed:
        network, classes = borrowed_network(spec, weights)
    else:
        network, classes = given_network(spec, weights, own.classes if own else val.classes)
    if own and prepare is None:
        say(f"{weights} is a model of zfpipe: its own classes, mean and std go with its weights.")
        mean, std, bgr = own.mean, own.std, own.bgr
    else:
        mean, std = mean_and_std(arguments, prepare, train, val.channels)
        bgr = bool(prepare and prepare.bgr)
    model = _as_model(network, spec, classes, mean, std, val.size, bgr)
    rows = []
    if classes == val.classes:  # else the outputs mean other classes, and there is nothing to compare
        part = Part(val, val.labels)
        training = Training(network, spec["input_size"], recipe_of(arguments), part, part, mean, std, 0, machine, bgr)
        rows = [{"epoch": 0} | training.validate()]
    return model, rows, {"val_sha256": val.manifest_sha256}


def _outputs(network: nn.Module, spec: dict[str, Any]) -> int | None:
    return outputs_of(network, spec.get("channels", 3), pair(spec["input_size"]))


def _require_outputs(network: nn.Module, spec: dict[str, Any], classes: list[str]) -> None:
    """Raise UserError unless a network of the user's own has an output for each class."""
    if is_yours(spec["name"]) and (outputs := _outputs(network, spec)) != len(classes):
        found = "no output (B, classes)" if outputs is None else f"{outputs} outputs"
        raise UserError(
            f"{spec['name']} has {found}, and the data set {len(classes)} classes; say so to it in model.args."
        )


def _check(arguments: argparse.Namespace, weights: str | None) -> None:
    if arguments.epochs < 0:
        raise UserError(f"train.epochs is {arguments.epochs}; it can be 0 (weights as they are) or more.")
    if arguments.epochs == 0 and weights is None:
        raise UserError(
            "train.epochs is 0 and model.weights is not set, so there is nothing to take; "
            'set model.weights to a file (or to "random" for an untrained control), or train.epochs to 1 or more.'
        )
    if arguments.train_manifest and (arguments.train or not arguments.root):
        raise UserError("--train-manifest stands in place of --train, and needs --root, where its paths start.")
    if arguments.workers < 0:
        raise UserError(f"train.workers is {arguments.workers}; it can be 0 (no process of their own) or more.")
    for name in ("memory", "lock_timeout"):
        if not getattr(arguments, name) >= 0:
            raise UserError(f"--{name.replace('_', '-')} is {getattr(arguments, name)}; it can be 0 or more.")
    if arguments.epochs and not (arguments.train or arguments.train_manifest):
        raise UserError(f"train.epochs is {arguments.epochs} and there is no --train split; only 0 epochs need none.")
    if arguments.epochs and not arguments.state:
        raise UserError("--state is missing: training saves every epoch there.")
    for epoch in arguments.keep_epoch:
        if not 1 <= epoch <= arguments.epochs:
            raise UserError(f"--keep-epoch asks for epoch {epoch}; this training has epochs 1 to {arguments.epochs}.")


def _fresh(arguments: argparse.Namespace, spec: dict[str, Any], classes: int) -> nn.Module:
    return fresh_network(spec, classes, arguments.seed, arguments.initialisation, arguments.initial_scale)


def _facts(
    arguments: argparse.Namespace, spec: dict, recipe: Recipe, network: nn.Module, train: Packed | Streamed, val: Packed
) -> dict[str, Any]:
    """Return all that decides the weights, and so names the training in the state folder."""
    facts = {
        "train": train.manifest_sha256,
        "val": val.manifest_sha256,
        "classes": train.classes,
        "packed_size": train.size,
        "spec": spec,
        "first_weights": sha256_value(plain_weights(network)),
        "recipe": dataclasses.asdict(recipe),
        "mean": list(arguments.mean or ["pixel"]),
        "std": list(arguments.std or ["1"]),
        "seed": arguments.seed,
        "epochs": arguments.epochs if recipe.schedule.depends_on_epochs() else None,
        "code": [code_sha256(module) for module in CODE],
    }
    if arguments.precision != "float32":  # else a training of before there was a choice keeps its name
        facts["precision"] = arguments.precision
    return facts


def _as_model(network: nn.Module, spec: dict, classes: list[str], mean, std, packed_size: Size, bgr: bool) -> Model:
    """Return the model; its mean is the centre of the mean image, so that what follows needs no packed size."""
    mean = centre_crop(mean, spec["input_size"]) if mean.shape[-1] > 1 else mean
    return Model(network, spec, classes, mean.contiguous(), std, packed_size, bgr)
