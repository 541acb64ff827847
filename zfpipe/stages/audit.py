"""Find images whose given label the trained network finds unlikely; write a table, a page and an exclusion list.

The network looks at the centre crop of every image of both splits. Confident learning (cleanlab) then picks the
suspects, in each split by itself. The network has never seen val, so its doubts there count most; of train it has
learnt even wrong labels by heart if it was trained long, and fewer are found. A suspect is a reason to look, no
verdict: copy exclusions.csv, strike out what you want to keep, and name the copy as the data set's `exclude`.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from zfpipe.data.packed import Packed, open_packed
from zfpipe.data.page import render, thumbnail
from zfpipe.data.suspects import TEMPLATE, Audited, audit_labels, labels_for
from zfpipe.errors import UserError
from zfpipe.files.csv_text import csv_text
from zfpipe.files.whole import write_text
from zfpipe.nets.device import add_device_arguments, prepare_device
from zfpipe.nets.evaluation import probabilities, require_fit
from zfpipe.nets.models import load_model
from zfpipe.progress import say

COLUMNS = ["split", "image_index", "path", "class", "suggested", "self_confidence", "margin", "suspect"]
MOST_SHOWN = 120  # suspects of a split on the page
MOST_PAIRS = 12  # confusions of a split on the page


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe audit`."""
    add = parser.add_argument
    add("--model", required=True, metavar="PT", help="model file of the stage train")
    add("--train", metavar="H5", help="packed train split, if there is one")
    add("--val", required=True, metavar="H5", help="packed val split")
    add("--batch-size", type=int, default=64, help="images in one forward pass")
    add("--title", default="", help="what the page says it is of, such as run and data set")
    add("--out-csv", type=Path, required=True, help="table to write: every image, with the network's opinion")
    add("--out-html", type=Path, required=True, help="page to write: the suspects, with thumbnails")
    add("--out-exclusions", type=Path, required=True, help="CSV to write: the suspects' paths, for `exclude`")
    add_device_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write the three files. Raises UserError if network and images do not belong together."""
    if arguments.batch_size < 1:
        raise UserError(f"audit.batch_size is {arguments.batch_size}; it must be at least 1.")
    device = prepare_device(arguments.device, arguments.threads)
    model = load_model(arguments.model).to(device)
    rows, sections = [], []
    for path in (arguments.train, arguments.val):
        if path:
            with open_packed(path) as packed:
                require_fit(model, packed, path)
                labels = labels_for(packed.labels, packed.classes, model.classes)
                audited = audit_labels(labels, probabilities(model, packed, arguments.batch_size, what="audit"))
                rows += list(_rows(packed, model.classes, labels, audited))
                sections.append(_section(packed, model.classes, labels, audited))
    suspects = [row for row in rows if row[-1] == "yes"]
    suspects.sort(key=lambda row: (row[0], float(row[5])))
    write_text(arguments.out_csv, csv_text([COLUMNS, *rows]))
    # `path` first: it is all that `exclude` reads
    write_text(
        arguments.out_exclusions, csv_text([["path", *COLUMNS[3:6]], *([row[2], *row[3:6]] for row in suspects)])
    )
    write_text(arguments.out_html, render(TEMPLATE, title=arguments.title, sections=sections, most_shown=MOST_SHOWN))
    counts = ", ".join(f"{s['suspects']} of {s['images']} {s['split']} labels" for s in sections)
    say(f"audit: suspect are {counts}; {arguments.out_html}")
    if any(section["agreed"] < section["images"] / 2 for section in sections):
        say("audit: the network agrees with fewer than half of the labels: it has learnt too little to judge them.")


def _rows(packed: Packed, names: list[str], labels: np.ndarray, audited: Audited) -> Iterator[list]:
    for place, path in enumerate(packed.paths):
        numbers = (f"{audited.self_confidence[place]:.6f}", f"{audited.margin[place]:.6f}")
        suspect = "yes" if audited.suspect[place] else "no"
        yield [packed.split, place, path, names[labels[place]], names[audited.suggested[place]], *numbers, suspect]


def _section(packed: Packed, names: list[str], labels: np.ndarray, audited: Audited) -> dict:
    ranked = audited.ranked()
    pairs = Counter((names[labels[place]], names[audited.suggested[place]]) for place in ranked)
    return {
        "split": packed.split,
        "images": len(packed),
        "agreed": int((audited.suggested == labels).sum()),
        "suspects": len(ranked),
        "pairs": sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:MOST_PAIRS],
        "shown": [
            {
                "path": packed.paths[place],
                "given": names[labels[place]],
                "suggested": names[audited.suggested[place]],
                "self_confidence": float(audited.self_confidence[place]),
                "picture": thumbnail(_picture(packed.read_rows([place])[0])),
            }
            for place in ranked[:MOST_SHOWN].tolist()
        ],
    }


def _picture(pixels: np.ndarray) -> Image.Image:
    """Show three channels as RGB, of any other number the first as grey."""
    return Image.fromarray(pixels if pixels.shape[-1] == 3 else pixels[..., 0]).convert("RGB")
