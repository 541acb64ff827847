"""Cut the photographs inside the wheels of scikit-image and scikit-learn into an image folder, without a download.

It shows the machinery on real pixels in minutes and is no benchmark. Every photograph is divided into 3 x 3 cells
and each cell into three bands: train, val, train. Val tiles do not overlap; no train tile touches a val pixel.
"""

import argparse
from collections import Counter
from pathlib import Path

from PIL import Image

from zfpipe.data.ordered import ordered_map
from zfpipe.data.photographs import CELLS, LABELS, PHOTOGRAPHS, Tile, chosen, cut
from zfpipe.errors import UserError, require_one_of
from zfpipe.files.whole import whole_folder
from zfpipe.progress import progress, say

MOST_ACROSS = 60  # 5 pixels a tile, in the smallest photograph


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe photographs`."""
    add = parser.add_argument
    add(
        "--out",
        type=Path,
        required=True,
        help="new folder for OUT/{train,val}/CLASS/*.png",
    )
    add("--tile", type=int, default=128, help="side of the tiles written, in pixels")
    add(
        "--across",
        type=float,
        default=10,
        help="tiles that would span a photograph's shorter side, 9 to 60",
    )
    add("--stride", type=float, default=0.25, help="least step between train tiles, as a part of their side")
    add(
        "--labels",
        choices=LABELS,
        default="photograph",
        help="the class: the photograph, or its cell of 3 x 3",
    )
    add(
        "--min-contrast",
        type=float,
        default=8,
        help="drop flatter tiles: standard deviation of values 0 to 255",
    )
    add("--photographs", nargs="+", default=list(PHOTOGRAPHS), metavar="NAME", help="which ones to cut")
    add("--threads", type=int, default=1, help="tiles written at the same time")


def run(arguments: argparse.Namespace) -> None:
    """Write the image folder whole, the same bytes every time. Raises UserError for an impossible option."""
    _check(arguments)
    options = arguments.labels, arguments.across, arguments.stride, arguments.min_contrast
    kept = list(chosen(arguments.photographs, *options))
    if not kept:
        raise UserError(f"No tile has a contrast of {arguments.min_contrast} or more; lower --min-contrast.")
    with whole_folder(arguments.out) as folder:
        for split, class_name in {(tile.split, class_name) for class_name, _, tile in kept}:
            (folder / split / class_name).mkdir(parents=True)
        written = ordered_map(lambda item: _write(folder, *item, arguments.tile), kept, arguments.threads)
        for _ in progress(written, "photographs", "tiles", len(kept)):
            pass
    counts = Counter(tile.split for _, _, tile in kept)
    classes = len({class_name for class_name, _, _ in kept})
    what = f"{classes} classes, {counts['train']} train and {counts['val']} val tiles"
    say(f"photographs: {what} in {arguments.out}")


def _check(arguments: argparse.Namespace) -> None:
    for name in arguments.photographs:
        require_one_of("--photographs", name, PHOTOGRAPHS)
    if arguments.across < 3 * CELLS:
        raise UserError(
            f"--across is {arguments.across:g}; it must be {3 * CELLS} or more, so that each of the {CELLS} x {CELLS} "
            "cells holds a band of train tiles, one of val tiles, and another of train tiles."
        )
    if arguments.out.exists() and (not arguments.out.is_dir() or any(arguments.out.iterdir())):
        raise UserError(f"{arguments.out} is there already and not empty; remove it, or give --out a new folder.")
    if arguments.across > MOST_ACROSS:
        raise UserError(f"--across is {arguments.across:g}; more than {MOST_ACROSS} leaves a few pixels a tile.")
    for option in ("tile", "threads", "stride"):
        value = getattr(arguments, option)
        if value <= 0:
            raise UserError(f"--{option} is {value}; it must be more than 0.")


def _write(folder: Path, class_name: str, photograph: Image.Image, tile: Tile, size: int) -> None:
    path = folder / tile.split / class_name / f"{tile.top:04d}-{tile.left:04d}.png"
    cut(photograph, tile, size).save(path, compress_level=3)
