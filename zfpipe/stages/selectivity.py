"""Classes of each unit's strongest images, as a table: how few classes a unit listens to.

A unit's selectivity is one minus the entropy of the classes of its top k over the largest that it can have: 1 where all
are of one class, 0 where they are spread evenly. Beside it stands what as many images drawn at random would give, and
which part of all images excites the unit at all. A unit that fewer than k images excite has its row in the
table, and counts neither in the figure nor in a median: of one image selectivity is always 1, of two 0 or 1. This is
no experiment of the paper's; its critics ask for it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zfpipe.data.packed import open_packed
from zfpipe.files.csv_text import csv_text
from zfpipe.files.topk import LayerTopK, read_topk, require_images
from zfpipe.files.whole import write_text
from zfpipe.nets.selectivity import by_chance, enough, entropy, selectivity, shares
from zfpipe.pictures.strips import draw_strips
from zfpipe.progress import say

COLUMNS = ("layer", "unit", "entries", "strongest", "excited", "class", "share", "entropy", "selectivity", "by_chance")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe selectivity`."""
    add = parser.add_argument
    add("--topk", required=True, metavar="H5", help="top-k file of the stage merge")
    add("--images", required=True, metavar="H5", help="the packed split that was mined")
    add("--title", default="selectivity", help="what stands above the figure")
    add("--dpi", type=int, default=150, help="of the figure, in pixels an inch")
    add("--out-csv", type=Path, required=True, help=f"a row a unit: {', '.join(COLUMNS)}")
    add("--out-png", type=Path, required=True, help="the figure")


def run(arguments: argparse.Namespace) -> None:
    """Write table and figure. Raises UserError for files that do not belong together."""
    topk = read_topk(arguments.topk)
    with open_packed(arguments.images) as packed:
        require_images(topk, arguments.topk, packed.manifest_sha256, arguments.images)
        labels, classes = np.asarray(packed.labels), packed.classes
    most = min(topk.k, topk.images)
    chance = [by_chance(labels, count, len(classes)) for count in range(most + 1)]
    found, rows = {}, []
    for name, layer in topk.layers.items():
        own = rows_of(layer, labels, classes, chance)
        found[name] = np.array([row[-2] for row in own if enough(row[2], topk.k, topk.images)], float)
        rows += own
    write_text(arguments.out_csv, csv_text([COLUMNS, *rows]))
    parts = {name: f"{len(values)} of {len(topk.layers[name].row)}" for name, values in found.items()}
    note = f"Units of {most} images each. Below a layer: how many of its units have so many; the others have fewer."
    note += " Orange: medians."
    draw_strips(
        arguments.out_png, found, "class selectivity", chance[most], arguments.title, parts, note, arguments.dpi
    )
    for name, values in found.items():
        said = f"median {np.median(values):.2f} of {parts[name]} units" if len(values) else f"no unit has {most} images"
        say(f"selectivity: {name}: {said}; by chance {chance[most]:.2f}")


def rows_of(layer: LayerTopK, labels: np.ndarray, classes: list[str], chance: Sequence[float]) -> list[tuple]:
    """Return a row a unit, as COLUMNS say; a dead unit's is empty from `class` on.

    `labels` (N,) are those of all images that were mined, `chance` what 0, 1, ... of them drawn at random give. Of
    classes that are equally frequent the first one is named.
    """
    rows = []
    for unit, present in enumerate(layer.present):
        own = labels[layer.image_index[unit][present]]
        facts = (layer.name, unit, len(own), f"{layer.activation[unit, 0]:.6g}", _excited(layer, unit))
        if len(own):
            name = classes[np.bincount(own).argmax()]
            numbers = (shares(own).max(), entropy(own), selectivity(own, len(classes)), chance[len(own)])
            rows.append((*facts, name, *(f"{number:.4f}" for number in numbers)))
        else:
            rows.append((*facts, "", "", "", "", ""))
    return rows


def _excited(layer: LayerTopK, unit: int) -> str:
    """The part of all images that excite a unit; empty where an older file does not tell."""
    if layer.histogram is None:
        return ""
    counts = layer.histogram[unit]
    return f"{1 - counts[0] / counts.sum():.4f}"
