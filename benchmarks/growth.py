"""How cost grows: time and memory of a stage against images, units and shards, each stage in a process of its own."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.material import mined_zfnet, model_file, packed_file
from benchmarks.table import Row

# Prints what one stage took: seconds of CPU time, and the most memory in MB.
RUN = """
import resource, sys
from zfpipe.__main__ import main
status = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
sys.exit(status)
"""


SMALL = {"side": 64}  # so that 20,000 images fit the time; what grows with their number does not depend on their size


def measure(folder: Path, quick: bool) -> list[Row]:
    """Return rows on memory and growth."""
    few, many = (200, 1000) if quick else (1000, 20_000)
    return [*_mining(folder, few, many), *_reconstruction(folder, *((8, 24) if quick else (64, 384)))]


def _mining(folder: Path, few: int, many: int) -> list[Row]:
    model = model_file(folder / "small.pt", width=0.1, **SMALL)
    splits = {count: packed_file(folder / f"{count}.h5", count, **SMALL) for count in (few, many)}

    def mine(count: int, shard: int = 1, of: int = 1):
        files = ["--model", str(model), "--images", str(splits[count]), "--out", str(folder / "shard.h5")]
        return _run("mine", *files, "--layers", "all", "--shard", str(shard), "--of", str(of))

    (start, _), (little, small), (much, large) = mine(few, 1, few), mine(few), mine(many)
    shards = sum(mine(many, shard, 8)[0] - start for shard in range(1, 9))
    detail = f"{few} and {many} images of 64 px, tenth-width ZFNet"
    return [
        Row.like("memory of mine", "MB", small, large, 1.1, detail),
        Row.like(
            "time of mine an image",
            "ms of CPU",
            *((little - start) / few * 1e3, (much - start) / many * 1e3),
            1.1,
            detail,
        ),
        Row.like(
            "time of mine in 8 shards, over 1",
            "s of CPU",
            much - start,
            shards,
            1.02,
            f"{detail}; less the start of each",
        ),
        Row.under("start of a job", "s of CPU", start, 5, "mine of one image: Python, torch, weights, tracing"),
    ]


def _reconstruction(folder: Path, few: int, many: int) -> list[Row]:
    files = mined_zfnet(folder, 96)

    def reconstruct(count: int):
        options = [word for name, path in files.items() for word in (f"--{name}", str(path))]
        units = np.linspace(0, 383, count).astype(int)
        return _run(
            "reconstruct", *options, "--layer", "conv3", "--out", str(folder / "out.h5"), "--units", *map(str, units)
        )

    (little, small), (much, large), (start, _) = reconstruct(few), reconstruct(many), reconstruct(1)
    detail = f"conv3 of ZFNet, {few} and {many} units, less the cost of one"
    return [
        Row.like("memory of reconstruct", "MB", small, large, 1.1, f"conv3 of ZFNet, {few} and {many} units"),
        Row.like(
            "time of reconstruct a unit",
            "ms of CPU",
            (little - start) / (few - 1) * 1e3,
            (much - start) / (many - 1) * 1e3,
            1.1,
            detail,
        ),
    ]


def _run(*words: str) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words, "--device", "cpu", "--threads", "1"],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, megabytes = map(float, done.stdout.split()[-2:])
    return seconds, megabytes
