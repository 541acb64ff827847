"""`python -m benchmarks.storage`: how the large arrays are best cut and packed in HDF5, with checksums throughout.

Images are read at random (training, reconstruction) and in order (mining); reconstructions are written one by one in
the order of their images and read a unit at a time (figures) or one by one.
"""

import argparse
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from benchmarks.material import mined
from benchmarks.timing import machine
from zfpipe.__main__ import main as zfpipe

PACKINGS = {
    "none": {},
    "lzf": {"compression": "lzf", "shuffle": True},
    "gzip 1": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
}
HEADINGS = ("array", "chunk", "compression", "size, MB", "write, ms each", "random read, ms each", "scan, ms each")
SAMPLES = 200


def main() -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.storage", description=__doc__).parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = mined(folder, 256)
        with h5py.File(files["images"]) as file:
            images = file["images"][...]
        rows += _table(folder, "images, 224 px", images, {"1 image": 1, "8 images": 8, "32 images": 32})
        options = [word for key, path in files.items() for word in (f"--{key}", str(path))]
        out, units = str(folder / "r.h5"), map(str, range(48))
        zfpipe(["reconstruct", *options, "--layer", "conv4", "--out", out, "--units", *units])
        with h5py.File(folder / "r.h5") as file:
            for key in ("projection", "patch"):
                array = file[key][...].reshape(-1, *file[key].shape[2:])
                rows += _table(folder, f"{key} of conv4, {array.shape[1]} px", array, {"1 entry": 1, "1 unit": 9})
    lines = [HEADINGS, ["---"] * len(HEADINGS), *rows]
    print("\n".join(f"| {' | '.join(line)} |" for line in lines))
    print("\nMachine: " + ", ".join(f"{key} {value}" for key, value in machine().items()) + ".")


def _table(folder: Path, what: str, array: np.ndarray, chunks: dict[str, int]) -> list[tuple[str, ...]]:
    return [
        (what, chunk, packing, *_measure(folder / "trial.h5", array, count, settings))
        for chunk, count in chunks.items()
        for packing, settings in PACKINGS.items()
    ]


def _measure(path: Path, array: np.ndarray, count: int, settings: dict) -> tuple[str, ...]:
    start = time.process_time()
    with h5py.File(path, "w") as file:
        chunk = (count, *array.shape[1:])
        stored = file.create_dataset("a", array.shape, array.dtype, chunks=chunk, fletcher32=True, **settings)
        for row in range(0, len(array), count):
            stored[row : row + count] = array[row : row + count]
    written = time.process_time() - start
    with h5py.File(path) as file:
        at_random = _seconds(file["a"], np.random.default_rng(0).integers(0, len(array), SAMPLES), 1)
        in_order = _seconds(file["a"], range(0, len(array), count), count)
    each = (written / len(array), at_random / SAMPLES, in_order / len(array))
    return (f"{path.stat().st_size / 1e6:.1f}", *(f"{seconds * 1e3:.2f}" for seconds in each))


def _seconds(stored: h5py.Dataset, rows, count: int) -> float:
    start = time.process_time()
    for row in rows:
        stored[int(row) : int(row) + count]
    return time.process_time() - start


if __name__ == "__main__":
    main()
