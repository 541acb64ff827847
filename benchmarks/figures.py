"""How long a whole layer takes to draw, 384 units of nine: as a figure, PNG and PDF, and as a gallery."""

import shutil
from pathlib import Path

import numpy as np

from benchmarks.material import mined
from benchmarks.table import Row
from benchmarks.timing import side_by_side
from zfpipe.__main__ import main

BARS = dict.fromkeys(("figure of conv3, PNG", "figure of conv3, PDF", "gallery of conv3"), 5)  # seconds


def measure(folder: Path, quick: bool) -> list[Row]:
    """Return seconds, of the clock and of CPU, for all 384 units of conv3 of ZFNet (48 of them if quick)."""
    count = 48 if quick else 384
    files = mined(folder, 64)
    options = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    units = map(str, np.linspace(0, 383, count).astype(int))
    reconstruction, site = str(folder / "conv3.h5"), folder / "site"
    _zfpipe("reconstruct", *options, "--layer", "conv3", "--out", reconstruction, "--units", *units)
    figure = ["figure", "--reconstruction", reconstruction, "--count", str(count)]

    def gallery() -> None:
        shutil.rmtree(site, ignore_errors=True)
        _zfpipe("gallery", *options, "--run", "zfnet", "--reconstructions", reconstruction, "--out", str(site))

    ways = {
        "figure of conv3, PNG": lambda: _zfpipe(*figure, "--out-png", str(folder / "conv3.png")),
        "figure of conv3, PDF": lambda: _zfpipe(*figure, "--out-pdf", str(folder / "conv3.pdf")),
        "gallery of conv3": gallery,
    }
    spent = side_by_side(ways, 1 if quick else 3)
    sizes = [(folder / name).stat().st_size for name in ("conv3.png", "conv3.pdf")]
    sizes.append(sum(path.stat().st_size for path in site.rglob("*") if path.is_file()))
    rows = []
    for (what, seconds), size in zip(spent.items(), sizes, strict=True):
        drawn = f"{count} units, {18 * count} pictures of 75 px"
        detail = f"{drawn}, from conv3.h5 to {size / 1e6:.0f} MB; Python's start left out"
        rows.append(Row.under(what, "s", seconds.wall, BARS[what], detail))
        rows.append(Row.under(what, "s of CPU", seconds.cpu, BARS[what], "the same"))
    return rows


def _zfpipe(*words: str) -> None:
    assert main([*words]) == 0
