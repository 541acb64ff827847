"""How long a whole layer takes to draw: 384 units of nine."""

from pathlib import Path

import numpy as np

from benchmarks.material import mined_zfnet
from benchmarks.table import Row
from benchmarks.timing import side_by_side
from zfpipe.__main__ import main


def measure(folder: Path, quick: bool) -> list[Row]:
    """Return seconds for a figure of all 384 units of conv3 of ZFNet (48 of them if quick)."""
    count = 48 if quick else 384
    files = mined_zfnet(folder, 64)
    options = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    reconstruction = folder / "conv3.h5"
    units = np.linspace(0, 383, count).astype(int)
    made = main(
        ["reconstruct", *options, "--layer", "conv3", "--out", str(reconstruction), "--units", *map(str, units)]
    )
    assert made == 0
    draw = ["figure", "--reconstruction", str(reconstruction), "--count", str(count)]
    spent = side_by_side(
        {"figure": lambda: _must(main([*draw, "--out-png", str(folder / "conv3.png")]))}, 1 if quick else 2
    )
    return [Row.under(f"figure, {count} units of conv3", "s", spent["figure"].wall, 10, "PNG, default dpi")]


def _must(status: int) -> None:
    assert status == 0
