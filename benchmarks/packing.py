"""Packing against Pillow alone: decode, resize the shorter side, cut the centre, on all cores."""

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.material import photograph_files
from benchmarks.table import Row
from benchmarks.timing import side_by_side
from zfpipe.__main__ import main

WHAT = "packing, over Pillow alone"
BARS = {WHAT: 0.9}
SIZE = 256


def measure(folder: Path, quick: bool) -> list[Row]:
    """Return a row: images/s of the stage pack over those of Pillow alone."""
    count = 100 if quick else 600
    paths = photograph_files(folder / "images", count)
    manifest, numbers = folder / "manifest.csv", itertools.count()
    report = ["--out-html", folder / "report.html", "--out-json", folder / "report.json"]
    _must("check", "--root", folder / "images", "--out-manifest", manifest, *report)
    cores = os.cpu_count() or 1

    def pack():
        out = folder / f"{next(numbers)}.h5"  # a new one: to take an old one's place costs its removal too
        files = ["--root", folder / "images", "--manifest", manifest, "--out", out]
        _must("pack", *files, "--split", "val", "--size", SIZE, "--threads", cores)

    def pillow():
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(_plain, paths))

    spent = side_by_side({"pack": pack, "pillow": pillow}, 2 if quick else 5)
    detail = f"{count} JPEG files of 500x375 to {SIZE} px, {cores} threads"
    return [Row.over(WHAT, "images/s", count, spent["pack"], spent["pillow"], BARS[WHAT], detail)]


def _plain(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        image = image.convert("RGB")
    scale = SIZE / min(image.size)
    image = image.resize([round(length * scale) for length in image.size], Image.Resampling.BILINEAR)
    left, top = ((length - SIZE) // 2 for length in image.size)
    return np.asarray(image.crop((left, top, left + SIZE, top + SIZE)))


def _must(*words) -> None:
    assert main([str(word) for word in words]) == 0
