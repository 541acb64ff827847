"""Features of each layer to linear classifiers on another data set (paper, sections 4.3 and 4.4, tables 4, 5 and 7).

The network is not trained on: its layers, up to a chosen one, turn images into features, on which a linear SVM and a
softmax learn the classes from a few images each. As in the paper on Caltech-101: n images a class drawn at random, up
to 50 others to test with, five splits, the mean over classes of the part that is right. What the paper leaves open:

- where the images come from: n from the data set's train part, tests from val; `--draw all` takes both from both parts;
- a feature vector is what the layer passes on (its map after pooling and contrast normalisation), from the centre crop;
  maps of more than --features numbers are averaged over cells of a grid, else layer 1 has 290,000;
- features are standardised with mean and spread of the training images; C is chosen by cross-validation among these;
- the test images are the same for all n of a split, and smaller n are parts of larger ones.

Beside the network stand the same with random weights (as He et al. draw them) and, with --scratch-epochs, the same
trained from nothing on the drawn images alone, with the run's recipe. Accuracies are fractions.
"""

import argparse
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd

from zfpipe.data.batches import check_splits, in_memory_if_it_fits
from zfpipe.data.drawing import DRAWS, Drawn, Pool, Subset, draw
from zfpipe.data.packed import open_packed
from zfpipe.errors import UserError, require_one_of
from zfpipe.files.csv_text import csv_text
from zfpipe.files.whole import write_text
from zfpipe.nets.device import add_device_arguments, prepare_device
from zfpipe.nets.evaluation import require_fit
from zfpipe.nets.features import Features
from zfpipe.nets.generalisation import papers_accuracy
from zfpipe.nets.layers import Layer, layers, named, require_layers
from zfpipe.nets.models import Model, load_model
from zfpipe.nets.probing import CLASSIFIERS, probe, standardised
from zfpipe.nets.scratch import from_scratch, recipe_from, untrained
from zfpipe.nets.trace import Traced, trace
from zfpipe.nets.training import Part
from zfpipe.pictures.probes import draw_probe
from zfpipe.progress import say

COLUMNS = ("network", "layer", "features", "classifier", "images_per_class", "split", "c", "tested", "accuracy")
KEYS = ["network", "layer", "features", "classifier", "images_per_class"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe probe`."""
    add = parser.add_argument
    add("--model", required=True, metavar="PT", help="model file of the stage train")
    add("--train", required=True, metavar="H5", help="the other data set's packed train split")
    add("--val", required=True, metavar="H5", help="its packed val split")
    add("--layers", nargs="+", metavar="NAME", help="layers to probe (default: all of the network)")
    add("--dense", action="store_true", help="beside --layers, also the network's dense ones")
    add("--images-per-class", type=int, nargs="+", default=[15, 30], metavar="N", help="to train on (paper: 15, 30)")
    add("--test-images", type=int, default=50, help="most a class to test with, 0 for all that are left (paper: 50)")
    add("--draw", default="train", help="train: train on the train part, test with val; all: both from both parts")
    add("--splits", type=int, default=5, help="times that images are drawn (paper: 5)")
    add("--classifiers", nargs="+", default=list(CLASSIFIERS), metavar="NAME", help="svm and softmax, or one")
    add("--C", dest="strengths", type=float, nargs="+", default=[1, 10, 100], metavar="C", help="to choose from")
    add("--features", type=int, default=9216, help="most a layer, 0 for any number (the paper's layer 5 has 9216)")
    add("--memory", type=float, default=8.0, help="GB that a layer's features may take")
    add("--control", action="store_true", help="also probe the same network with random weights")
    add("--scratch-epochs", type=int, default=0, help="also train it from scratch on the drawn images; 0: no")
    add("--recipe", default="{}", metavar="JSON", help="of that: options of `zfpipe train`, such as learning_rate")
    add("--paper", metavar="NAME", help="caltech101 or caltech256: the paper's numbers stand beside")
    add("--seed", type=int, default=0, help="decides draws, folds and random weights")
    add("--batch-size", type=int, default=64, help="images in one forward pass")
    add("--title", default="features of each layer on another data set", help="what stands above the figure")
    add("--dpi", type=int, default=150, help="of the figure, in pixels an inch")
    add("--out-csv", type=Path, required=True, help=f"table to write, a row a split: {', '.join(COLUMNS)}")
    add("--out-summary", type=Path, required=True, metavar="CSV", help="mean and standard deviation over splits")
    add("--out-png", type=Path, required=True, help="the same as a figure")
    add_device_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write the three files. Raises UserError for what is not there, does not fit, or is too few."""
    _check(arguments)
    device = prepare_device(arguments.device, arguments.threads)
    model = load_model(arguments.model).to(device)
    with ExitStack() as files:
        train, val = (files.enter_context(open_packed(path)) for path in (arguments.train, arguments.val))
        for packed, path in ((train, arguments.train), (val, arguments.val)):
            require_fit(model, packed, path)
        check_splits(model.input_size, train, val)
        pool, counts = Pool(train, val), sorted(set(arguments.images_per_class))
        drawn = draw(pool, counts, arguments.test_images or None, arguments.splits, arguments.seed, arguments.draw)
        rows = list(_all_rows(arguments, model, pool, counts, drawn))
    table = pd.DataFrame(rows, columns=COLUMNS)
    summary = summarised(table, arguments.paper)
    write_text(arguments.out_csv, csv_text([COLUMNS, *(_as_text(row) for row in rows)]))
    write_text(arguments.out_summary, csv_text(_summary_text(summary)))
    guess = 1 / len(pool.classes)
    draw_probe(arguments.out_png, summary, guess, arguments.title, arguments.dpi)
    best = summary[summary.network == "trained"].nlargest(1, "mean").iloc[0]
    say(
        f"probe: {len(pool.classes)} classes; best is {best.classifier} on {best.layer} with {best.images_per_class} "
        f"images a class: {best['mean']:.3f} (guessing: {guess:.3f}); {arguments.out_png}"
    )


def summarised(table: pd.DataFrame, dataset: str | None) -> pd.DataFrame:
    """Return a row a network, layer, classifier and n: mean, standard deviation (n - 1) over splits, the paper's."""
    groups = table.groupby(KEYS, sort=False, dropna=False).accuracy
    summary = groups.agg(splits="count", mean="mean", deviation="std").reset_index()
    keys = (summary[key] for key in KEYS if key != "features")
    papers = [papers_accuracy(dataset, *row) for row in zip(*keys, strict=True)]
    return summary.assign(paper=pd.Series(papers, dtype=float))


def _all_rows(
    arguments: argparse.Namespace, model: Model, pool: Pool, counts: list[int], drawn: list[Drawn]
) -> Iterator[tuple]:
    used = np.unique(np.concatenate([rows for one in drawn for rows in (one.train.ravel(), one.test)]))
    images = in_memory_if_it_fits(Subset(pool, used), 4.0)
    networks = {"trained": model} | ({"random": untrained(model, arguments.seed)} if arguments.control else {})
    for network, each in networks.items():
        traced = trace(each.network, each.input_size, each.channels)
        for source in [_source(arguments, each, traced, layer, len(images)) for layer in _layers(traced, arguments)]:
            found = source.of(images, arguments.batch_size, f"probe {network} {source.layer.name}")
            for facts in _probed(arguments, found, used, pool.labels, counts, drawn):
                yield network, source.layer.name, source.count, *facts
    if arguments.scratch_epochs:
        yield from _scratch(arguments, model, pool, counts, drawn)


def _probed(
    arguments: argparse.Namespace,
    found: np.ndarray,
    used: np.ndarray,
    labels: np.ndarray,
    counts: list[int],
    drawn: list[Drawn],
) -> Iterator[tuple]:
    """Yield (classifier, n, split, c, tested, accuracy) for one layer's features `found` of the images at `used`."""
    for number, split in enumerate(drawn, start=1):
        for count in counts:
            rows, tests = split.training(count), split.test
            pair = standardised(*(found[np.searchsorted(used, part)] for part in (rows, tests)))
            for name in arguments.classifiers:
                result = probe(
                    name, pair[0], labels[rows], pair[1], labels[tests], arguments.strengths, arguments.seed + number
                )
                if not result.converged:
                    say(f"probe: {name}, {count} images a class, split {number}: not converged at C {result.c:g}.")
                yield name, count, number, result.c, len(tests), result.accuracy


def _scratch(
    arguments: argparse.Namespace, model: Model, pool: Pool, counts: list[int], drawn: list[Drawn]
) -> Iterator[tuple]:
    settings = recipe_from(arguments.recipe)
    for number, split in enumerate(drawn, start=1):
        test = Subset(pool, split.test, "test images")
        for count in counts:
            few = Subset(pool, split.training(count))
            part = Part(in_memory_if_it_fits(few, 4.0), few.labels)
            accuracy = from_scratch(model, settings, arguments.scratch_epochs, part, test, arguments.seed + number)
            yield "scratch", "all", "", "softmax", count, number, "", len(test), accuracy


def _source(arguments: argparse.Namespace, model: Model, traced: Traced, layer: Layer, images: int) -> Features:
    source = Features(model, traced, layer, arguments.features or None)
    gigabytes = images * source.count * 4 / 1e9
    if gigabytes > arguments.memory:
        raise UserError(
            f"{source.count} features of layer {layer.name!r} for {images} images take {gigabytes:.1f} GB, and "
            f"probe.memory allows {arguments.memory:g}; set probe.features lower, or probe.memory higher."
        )
    return source


def _layers(traced: Traced, arguments: argparse.Namespace) -> list[Layer]:
    """Return the layers to probe, in the order of the network."""
    if not arguments.layers:
        return require_layers(traced, arguments.model)
    known = layers(traced)
    chosen = {layer.name for layer in named(known, arguments.layers)}
    dense = {name for name, layer in known.items() if len(traced.find(layer.step).shape) == 1 and arguments.dense}
    return [layer for name, layer in known.items() if name in chosen | dense]


def _check(arguments: argparse.Namespace) -> None:
    require_one_of("probe.draw", arguments.draw, DRAWS)
    for name in arguments.classifiers:
        require_one_of("probe.classifiers", name, CLASSIFIERS)
    least = {"splits": 1, "batch_size": 1, "test_images": 0, "features": 0, "scratch_epochs": 0, "seed": 0}
    for key, lowest in least.items():
        if getattr(arguments, key) < lowest:
            raise UserError(f"probe.{key} is {getattr(arguments, key)}; it must be at least {lowest}.")
    if min(arguments.images_per_class) < 1:
        raise UserError(f"probe.images_per_class has {min(arguments.images_per_class)}; each must be at least 1.")
    if not min(arguments.strengths) > 0:
        raise UserError(f"probe.C has {min(arguments.strengths):g}; each must be above 0.")


def _as_text(row: tuple) -> list:
    *facts, c, tested, accuracy = row
    return [*facts, c if c == "" else f"{c:g}", tested, f"{accuracy:.6f}"]


def _summary_text(summary: pd.DataFrame) -> list[list]:
    """Return header and rows; what was not measured is empty: one split's deviation, numbers not in the paper."""
    numbers = ("mean", "deviation", "paper")
    rows = [
        [("" if pd.isna(value) else f"{value:.6f}") if key in numbers else value for key, value in row.items()]
        for row in summary.to_dict("records")
    ]
    return [list(summary), *rows]
