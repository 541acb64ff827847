"""A training's settings as command-line options, each with the paper's value (section 3)."""

import argparse
from pathlib import Path

from zfpipe.data.transforms import CROPS, Augmentation
from zfpipe.nets.initialise import INITIALISATIONS
from zfpipe.nets.schedule import SCHEDULES, Schedule
from zfpipe.nets.training import Recipe


def add_file_arguments(group: argparse._ArgumentGroup) -> None:
    """Add what a training reads and writes."""
    add = group.add_argument
    add("--train", type=Path, help="packed training split (may be left out with --epochs 0)")
    add("--train-manifest", type=Path, metavar="MANIFEST.csv", help="instead: read its images from their own files")
    add("--root", type=Path, help="folder that the manifest's paths start from")
    add("--val", type=Path, required=True, help="packed validation split")
    add(
        "--model",
        required=True,
        metavar="JSON",
        help='{"name": "zfnet"|"alexnet"|"torchvision:NAME"|"module:function", "width": 1.0, "input_size": pixels or '
        '[height, width], "norm": "contrast"|"batch"|"none", "args": what your function is called with, "weights": a '
        'file of weights, the name of torchvision\'s, or "random" for an untrained control}; only name is needed',
    )
    add(
        "--preprocess",
        metavar="JSON",
        help='of given weights, instead of --mean and --std: {"mean": one number or one a channel, "std": ..., '
        '"channel_order": "RGB"|"BGR", "value_range": 255|1}; mean and std in that order and range',
    )
    add("--out-model", type=Path, required=True, metavar="MODEL.pt", help="the trained network")
    add("--out-metrics", type=Path, required=True, metavar="METRICS.csv", help="one row an epoch")
    add("--out-curves", type=Path, required=True, metavar="CURVES.png", help="the metrics drawn")
    add("--title", help="of the curves, such as the run's name (default: the network's)")
    add("--state", type=Path, metavar="FOLDER", help="where every epoch is saved; needed unless --epochs 0")
    add(
        "--keep-epoch",
        type=int,
        nargs="+",
        default=[],
        metavar="N",
        help="epochs, counted from 1, to hand out as model files too",
    )
    add(
        "--out-epochs",
        type=Path,
        metavar="FOLDER",
        help="where they go, as epoch-0005.pt and so on (default: beside --out-model)",
    )


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all options that decide the weights, beside data and network."""
    _add_training(parser.add_argument_group("training"))
    _add_images(parser.add_argument_group("images"))


def recipe_of(arguments: argparse.Namespace) -> Recipe:
    """Return the recipe that the options describe. Raises UserError for a value outside its range."""
    a = arguments
    return Recipe(
        batch_size=a.batch_size,
        momentum=a.momentum,
        weight_decay=a.weight_decay,
        filter_radius=a.filter_radius,
        schedule=Schedule(a.schedule, a.learning_rate, a.patience, a.factor),
        augmentation=Augmentation(a.crops, tuple(a.scale_range), a.rotation, a.brightness, a.colour),
    )


def _add_training(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--epochs", type=int, default=70, help="passes over the training set; 0: weights as they are (paper: 70)")
    add("--batch-size", type=int, default=128, help="images a step (paper: 128)")
    add("--learning-rate", type=float, default=1e-2, help="first learning rate (paper: 0.01)")
    add("--momentum", type=float, default=0.9, help="of SGD (paper: 0.9)")
    add("--weight-decay", type=float, default=0.0, help="L2 penalty of SGD (paper: not mentioned)")
    add(
        "--schedule",
        default="plateau",
        choices=SCHEDULES,
        help="plateau: lower the rate when the validation error stops falling (paper, by hand); "
        "cosine: to 0 over all epochs, so that another number of epochs is another training; constant",
    )
    add("--patience", type=int, default=5, help="plateau: epochs without a lower validation error (paper: by hand)")
    add("--factor", type=float, default=0.1, help="plateau: what the rate is multiplied by (paper: by hand)")
    add("--dropout", type=float, default=0.5, help="chance to drop a unit of layers 6 and 7 (paper: 0.5)")
    add(
        "--filter-radius",
        type=float,
        default=0.1,
        help="after each step, convolution filters of larger RMS are scaled back to it; 0: off (paper: 0.1)",
    )
    add(
        "--initialisation",
        default="paper",
        choices=INITIALISATIONS,
        help="paper: normal, --initial-scale everywhere; he: normal, variance 2 / fan-in; first-small: he, the first "
        "layer at --initial-scale; framework: PyTorch's own",
    )
    add("--initial-scale", type=float, default=1e-2, help="standard deviation of first weights (paper: 0.01)")
    add("--seed", type=int, default=0, help="decides first weights, order, crops and dropout")


def _add_images(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--crops",
        default="ten",
        choices=CROPS,
        help="ten: corners and centre, with and without flip (paper); random: anywhere, with and without flip; centre",
    )
    add(
        "--scale-range",
        type=float,
        nargs=2,
        default=(1.0, 1.0),
        metavar=("LOW", "HIGH"),
        help="side of a crop, in sides of the input, drawn between the two (paper: 1 1)",
    )
    add("--rotation", type=float, default=0.0, help="largest turn either way, degrees (paper: 0)")
    add("--brightness", type=float, default=0.0, help="largest relative change of all channels, 0..1 (paper: 0)")
    add("--colour", type=float, default=0.0, help="largest relative change of each channel, 0..1 (paper: 0)")
    add(
        "--mean",
        nargs="+",
        help="what is subtracted, in pixel values 0..255: pixel (the mean image, paper; the default), "
        "channel, or one number or one a channel",
    )
    add(
        "--std",
        nargs="+",
        help="what then divides, in pixel values 0..255: channel, or one number or one a channel (default, paper: 1)",
    )
