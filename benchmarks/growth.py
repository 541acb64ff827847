"""How cost grows: time and memory of mine and reconstruct against images, shards and units.

Times are CPU times, on one thread, of jobs that this one warm process runs in turn, several rounds; from each the time
of a job with one image of the same file, or one unit, is taken off. The most memory is that of a process of its own for
each figure.
"""

import statistics
from pathlib import Path

import numpy as np
import torch

from benchmarks.material import model_file, packed_file
from benchmarks.process import alone
from benchmarks.table import GROWTH, Row
from benchmarks.timing import side_by_side
from zfpipe.__main__ import main

# Small, so that 20,000 images fit the time: what grows with their number does not depend on their size.
NARROW = {"maps": [8, 16, 16, 16, 16], "fc": 32, "side": 64}
BATCH = 25  # no number of images here leaves a short batch, which would be filled up
# As many units as the widest layer of torchvision's VGGs has, with little below them.
WIDE = {"maps": [24, 64, 512, 32, 32], "fc": 64, "side": 112}
SHARDS = (1, 2, 4, 8)
IN_SHARDS = [f"time of mine in {of} shards, over 1" for of in SHARDS[1:]]
START = "start of a job"
GROWING = ("memory of mine", "time of mine an image", "memory of reconstruct", "time of reconstruct a unit")
BARS = dict.fromkeys(GROWING, GROWTH) | dict.fromkeys(IN_SHARDS, 1.02) | {START: 5}
REPEATED = 4  # how often a short job is run in each round

Words = list[object]


def measure(folder: Path, quick: bool) -> list[Row]:
    """Return rows on memory and growth."""
    images, units = ((200, 1000), (32, 128)) if quick else ((1000, 20_000), (64, 512))
    rounds = 1 if quick else 3
    return [*_mining(folder, images, rounds), *_reconstruction(folder, units, rounds)]


def _mining(folder: Path, counts: tuple[int, int], rounds: int) -> list[Row]:
    few, many = counts
    model = model_file(folder / "narrow.pt", **NARROW)
    splits = {count: packed_file(folder / f"{count}.h5", count, NARROW["side"]) for count in counts}

    def words(count: int, layer: str = "all", shard: int = 1, of: int = 1, batch: int = BATCH) -> Words:
        files = ["--model", model, "--images", splits[count], "--out", folder / "shard.h5"]
        return ["mine", *files, "--layers", layer, "--shard", shard, "--of", of, "--batch-size", batch]

    one = {count: words(count, shard=1, of=count, batch=1) for count in counts}
    jobs = {"start of few": [one[few]] * REPEATED, "start": [one[many]] * REPEATED}
    spent = _cpu({**jobs, "few": [words(few)] * REPEATED, "many": [words(many)]}, rounds)
    start = spent["start"] / REPEATED
    each = (spent["few"] - spent["start of few"]) / REPEATED / few * 1e3, (spent["many"] - start) / many * 1e3
    parts = {str(of): [words(many, "conv5", shard, of) for shard in range(1, of + 1)] for of in SHARDS}
    detail = f"{few} and {many} images of {NARROW['side']} px, ZFNet with maps {NARROW['maps']}, all layers"
    return [
        Row.memory("memory of mine", *(alone(*words(count)).megabytes for count in counts), detail),
        Row.like("time of mine an image", "ms of CPU", *each, GROWTH, f"{detail}; less the start"),
        *_shards(_cpu(parts, rounds + 2), start, f"conv5 of {many} images; less the start of each"),
        _start(one[many], rounds + 2),
    ]


def _shards(spent: dict[str, float], start: float, detail: str) -> list[Row]:
    """Return a row for each number of shards, all of them over one.

    Each ranks its own first images, of which more are among the nine strongest so far than of later ones.
    """
    whole, *others = (spent[str(of)] - of * start for of in SHARDS)
    return [
        Row.like(what, "s of CPU", whole, parts, BARS[what], detail)
        for what, parts in zip(IN_SHARDS, others, strict=True)
    ]


def _start(words: Words, rounds: int) -> Row:
    """Return the row of a job with one image in a process of its own; earlier ones have warmed the disk's cache."""
    spent = statistics.median(alone(*words).cpu for _ in range(rounds))
    detail = f"mine of one image: Python, torch, weights, tracing; median of {rounds}"
    return Row.under(START, "s of CPU", spent, BARS[START], detail)


def _reconstruction(folder: Path, counts: tuple[int, int], rounds: int) -> list[Row]:
    few, many = counts
    model, images = model_file(folder / "wide.pt", **WIDE), packed_file(folder / "wide.h5", 96, WIDE["side"])
    files, topk = ["--model", model, "--images", images], folder / "topk.h5"
    _run([["mine", *files, "--layers", "conv3", "--out", topk]])

    def words(count: int) -> Words:
        units = np.linspace(0, WIDE["maps"][2] - 1, count).astype(int)
        what = ["--topk", topk, "--layer", "conv3", "--units", *units]
        return ["reconstruct", *files, *what, "--out", folder / "conv3.h5"]

    spent = _cpu({"start": [words(1)] * REPEATED, "few": [words(few)] * REPEATED, "many": [words(many)]}, rounds)
    start = spent["start"] / REPEATED
    each = (spent["few"] / REPEATED - start) / (few - 1) * 1e3, (spent["many"] - start) / (many - 1) * 1e3
    detail = f"{few} and {many} units of conv3, ZFNet with maps {WIDE['maps']} at {WIDE['side']} px"
    return [
        Row.memory("memory of reconstruct", *(alone(*words(count)).megabytes for count in counts), detail),
        Row.like("time of reconstruct a unit", "ms of CPU", *each, GROWTH, f"{detail}; less the time of one"),
    ]


def _cpu(jobs: dict[str, list[Words]], rounds: int) -> dict[str, float]:
    """Return the seconds of CPU time that each list of jobs takes, run one after another in this process."""
    spent = side_by_side({name: lambda all=words: _run(all) for name, words in jobs.items()}, rounds)
    return {name: one.cpu for name, one in spent.items()}


def _run(jobs: list[Words]) -> None:
    threads = torch.get_num_threads()
    for words in jobs:  # of several threads the waiting, too, is CPU time
        assert main([str(word) for word in [*words, "--device", "cpu", "--threads", 1]]) == 0
    torch.set_num_threads(threads)  # what comes after this question, and the table's last line, are of all of them
