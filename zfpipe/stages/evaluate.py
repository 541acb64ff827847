"""Top-1 and top-5 on the validation set, from one view and from ten, of one network or several averaged (table 2).

One view is the centre crop. Ten views are the centre and the four corners of the packed image, each as it is and
mirrored (as Krizhevsky et al. 2012, whom the paper compares with; it does not say how its own networks were tested).
Probabilities are averaged over views, then over networks: the paper's ensembles. The confusion matrix is that of the
last row: ten views, all networks. Where the mean image was subtracted in training, its centre serves for all views.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.metrics import confusion_matrix

from zfpipe.data.packed import open_packed
from zfpipe.data.suspects import labels_for
from zfpipe.errors import UserError
from zfpipe.files.csv_text import csv_text
from zfpipe.files.whole import write_text
from zfpipe.nets.device import add_device_arguments, prepare_device
from zfpipe.nets.evaluation import VIEWS, hits, probabilities, require_fit
from zfpipe.nets.models import load_model
from zfpipe.pictures.confusions import draw_confusion
from zfpipe.progress import say

COLUMNS = ("networks", "views", "images", "top1", "top5")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe evaluate`."""
    add = parser.add_argument
    add("--model", nargs="+", required=True, metavar="PT", help="model files; several are also averaged")
    add("--val", nargs="+", required=True, metavar="H5", help="each one's packed val split (one: all have that one)")
    add("--name", nargs="+", metavar="NAME", help="what the table calls them (default: their paths)")
    add("--batch-size", type=int, default=64, help="images in one forward pass")
    add("--dpi", type=int, default=150, help="of the picture, in pixels an inch")
    add("--out-csv", type=Path, required=True, help="table to write: networks, views, images, top1, top5")
    add("--out-confusion", type=Path, required=True, metavar="CSV", help="confusion matrix to write: true classes down")
    add("--out-png", type=Path, required=True, help="the same as a picture")
    add_device_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write the three files. Raises UserError if networks and images do not belong together."""
    _check(arguments)
    device = prepare_device(arguments.device, arguments.threads)
    names = arguments.name or arguments.model
    splits = arguments.val if len(arguments.val) > 1 else arguments.val * len(arguments.model)
    rows, sums, first = [], dict.fromkeys(VIEWS, 0.0), None
    for path, split, name in zip(arguments.model, splits, names, strict=True):
        model = load_model(path).to(device)
        with open_packed(split) as packed:
            require_fit(model, packed, split)
            facts = packed.manifest_sha256, packed.classes
            first = _same(first or (split, facts), split, facts)
            labels, order = packed.labels, labels_for(np.arange(len(packed.classes)), packed.classes, model.classes)
            for views in VIEWS:
                found = probabilities(model, packed, arguments.batch_size, views)[:, order]
                sums[views] = sums[views] + found.astype(np.float64)
                rows.append(_row(name, views, found, labels))
    if len(names) > 1:
        rows += [_row(" + ".join(names), views, sums[views], labels) for views in VIEWS]
    classes = first[1][1]
    counts = confusion_matrix(labels, sums[VIEWS[-1]].argmax(1), labels=np.arange(len(classes)))
    write_text(arguments.out_csv, csv_text([COLUMNS, *rows]))
    write_text(arguments.out_confusion, csv_text([("true", *classes), *zip(classes, *counts.T, strict=True)]))
    draw_confusion(arguments.out_png, counts, classes, title_of(*rows[-2:]), arguments.dpi)
    say(f"evaluate: {rows[-1][0]}, {rows[-1][1]} views: top-1 {rows[-1][3]}, top-5 {rows[-1][4]}")


def title_of(one: tuple, ten: tuple) -> str:
    """Return what stands above the picture, which is of ten views; metrics and other pages are of one."""
    (name, _, images, right, _), alone = ten, float(one[3])
    return f"{name}: {float(right):.1%} of {images} right from ten views each\n(from the centre alone {alone:.1%})"


def _row(name: str, views: int, found: np.ndarray, labels: np.ndarray) -> tuple:
    best = [f"{hits(found, labels, min(count, found.shape[1])):.6f}" for count in (1, 5)]
    return name, views, len(labels), *best


def _same(first: tuple, path: str, facts: tuple) -> tuple:
    """Return the first split's facts. Raises UserError if another one holds other images or classes."""
    if first[1] != facts:
        raise UserError(
            f"{path} and {first[0]} hold different images or classes; averaged networks need one validation set."
        )
    return first


def _check(arguments: argparse.Namespace) -> None:
    if arguments.batch_size < 1:
        raise UserError(f"evaluate.batch_size is {arguments.batch_size}; it must be at least 1.")
    count = len(arguments.model)
    for option, given in (("--val", arguments.val), ("--name", arguments.name)):
        if given and len(given) not in ({1, count} if option == "--val" else {count}):
            raise UserError(f"{option} has {len(given)} entries for {count} models; give one for each model.")
