"""Write a published data set that holds its images in arrays (CIFAR-10 and -100, STL-10, SVHN) as an image folder.

The images are read by torchvision's own class, which compares the files with the published checksums first; then
every image is written as OUT/{train,val}/CLASS/NUMBER.png, lossless. The published test set becomes val.
"""

import argparse
from collections import Counter
from pathlib import Path

from PIL import Image

from zfpipe.data.ordered import ordered_map
from zfpipe.data.published import IN_ARRAYS, arrays_of
from zfpipe.errors import UserError
from zfpipe.files.whole import whole_folder
from zfpipe.progress import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe unpack`."""
    add = parser.add_argument
    add("--source", choices=IN_ARRAYS, required=True, help="which data set")
    add("--root", type=Path, required=True, help="folder that holds it as published")
    add("--download", action="store_true", help="let torchvision fetch what is not there")
    add("--out", type=Path, required=True, help="new folder for OUT/{train,val}/CLASS/*.png")
    add("--threads", type=int, default=1, help="images written at the same time")


def run(arguments: argparse.Namespace) -> None:
    """Write the image folder whole, the same bytes every time. Raises UserError for a data set that is not there."""
    if arguments.threads < 1:
        raise UserError(f"--threads is {arguments.threads}; it must be 1 or more.")
    if arguments.out.exists() and (not arguments.out.is_dir() or any(arguments.out.iterdir())):
        raise UserError(f"{arguments.out} is there already and not empty; remove it, or give --out a new folder.")
    counts: Counter[str] = Counter()
    with whole_folder(arguments.out) as folder:
        images = arrays_of(arguments.source, arguments.root, arguments.download)
        for split in ordered_map(lambda item: _write(folder, *item), images, arguments.threads):
            counts[split] += 1
    say(f"unpack: {counts['train']} train and {counts['val']} val images of {arguments.source} in {arguments.out}")


def _write(folder: Path, split: str, class_name: str, place: int, image: Image.Image) -> str:
    path = folder / split / class_name / f"{place:05d}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, compress_level=1)
    return split
