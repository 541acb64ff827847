"""Decode the images of one split once, in parallel, into one HDF5 file.

Each image is read upright, as 8-bit RGB (grey with --channels 1; any other number from .npy arrays), resized so that it
just covers --size (antialiased bilinear), and its centre is kept. A file that changed since `zfpipe check` is refused.
The same images give the same bytes.
"""

import argparse
from pathlib import Path

from zfpipe.data.checked_image import packed_image
from zfpipe.data.manifest import SPLITS, classes_of, read_manifest, split_sha256
from zfpipe.data.ordered import ordered_map
from zfpipe.data.packed import write_packed
from zfpipe.data.sizes import size_of
from zfpipe.errors import UserError
from zfpipe.freed import keep_freed_memory
from zfpipe.progress import progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe pack`."""
    parser.add_argument("--manifest", type=Path, required=True, help="manifest.csv of `zfpipe check`")
    parser.add_argument("--root", type=Path, required=True, help="folder that its paths start from")
    parser.add_argument("--split", choices=SPLITS, required=True, help="which part of the manifest to pack")
    parser.add_argument(
        "--size", type=size_of, required=True, help="side of the stored squares in pixels, or HEIGHTxWIDTH"
    )
    parser.add_argument(
        "--channels", type=int, default=3, help="1: grey, 3: RGB, other: .npy arrays (H, W, C) of uint8"
    )
    parser.add_argument("--out", type=Path, required=True, help="HDF5 file to write")
    parser.add_argument("--threads", type=int, default=1, help="images decoded at the same time")


def run(arguments: argparse.Namespace) -> None:
    """Write the packed split. Raises UserError for a missing, changed or unreadable image."""
    for name, value in (
        ("size", min(arguments.size)),
        ("threads", arguments.threads),
        ("channels", arguments.channels),
    ):
        if value < 1:
            raise UserError(f"--{name} is {value}; it must be 1 or more.")
    keep_freed_memory()
    every_row = read_manifest(arguments.manifest)
    rows = [row for row in every_row if row.split == arguments.split]
    if not rows:
        raise UserError(f"{arguments.manifest} lists no image of split {arguments.split!r}.")
    classes = classes_of(every_row)
    label = {name: place for place, name in enumerate(classes)}
    decoded = ordered_map(
        lambda row: packed_image(arguments.root / row.path, row.sha256, arguments.size, arguments.channels),
        rows,
        arguments.threads,
        at_once=4,
    )
    write_packed(
        arguments.out,
        progress(decoded, f"pack {arguments.split}", "images", len(rows)),
        [label[row.class_name] for row in rows],
        [row.path for row in rows],
        classes,
        split=arguments.split,
        size=arguments.size,
        manifest_sha256=split_sha256(rows),
        channels=arguments.channels,
    )
