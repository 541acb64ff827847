"""`zfpipe train` on a tiny data set, for the tests of the stage."""

import json

import numpy as np

from zfpipe.__main__ import main
from zfpipe.data.packed import write_packed
from zfpipe.files.sums import read_table

MODEL = {"name": "zfnet", "width": 0.03, "input_size": 48, "norm": "batch"}


def pack_both(folder):
    """Write train.h5 and val.h5 of three classes, each brighter in its own channel, 52 px; return the folder."""
    pack(folder / "train.h5", "train", 26, 0)
    pack(folder / "val.h5", "val", 9, 1)
    return folder


def pack(path, split, count, seed=0, size=52, classes=("r", "g", "b")):
    generator, labels = np.random.default_rng(seed), np.arange(count) % len(classes)
    images = generator.integers(0, 150, (count, size, size, 3), dtype=np.uint8)
    images[np.arange(count), :, :, labels % 3] += 100
    facts = {"split": split, "size": size, "manifest_sha256": f"{split} {seed}"}
    write_packed(path, images, labels, [f"{row}.png" for row in range(count)], list(classes), **facts)


def command(data, out, *options, model=MODEL, train=True, state=None):
    words = ["train", "--val", data / "val.h5", "--model", json.dumps(model), "--threads", 1, "--device", "cpu"]
    words += ["--train", data / "train.h5"] if train else []
    words += ["--out-model", out / "model.pt", "--out-metrics", out / "metrics.csv"]
    words += ["--out-curves", out / "curves.png", "--state", state or out / "state"]
    words += ["--batch-size", 8, "--initialisation", "he", "--std", "channel", *options]
    return [str(word) for word in words]


def train(data, out, *options, **others):
    assert main(command(data, out, *options, **others)) == 0


def refused(capsys, data, out, *options, **others):
    """Return the one sentence of a refused command, which must leave nothing behind but its state."""
    before = {path for path in out.rglob("*") if "state" not in path.parts}
    assert main(command(data, out, *options, **others)) == 1
    assert {path for path in out.rglob("*") if "state" not in path.parts} == before
    lines = capsys.readouterr().err.strip().splitlines()
    assert not any(line.startswith("Traceback") for line in lines)
    assert sum("error: " in line for line in lines) == 1
    assert lines[-1].startswith("zfpipe train: error: ")
    assert lines[-1].endswith(".")
    return lines[-1]


def rows_of(out):
    return read_table(out / "metrics.csv")


def without_rate(rows):
    return [{name: value for name, value in row.items() if name != "images_per_second"} for row in rows]


def checkpoints(out):
    return sorted(path.name for path in (out / "state").glob("*/epoch-*.pt"))


def assert_same(one, other):
    assert (one / "model.pt").read_bytes() == (other / "model.pt").read_bytes()
    assert without_rate(rows_of(one)) == without_rate(rows_of(other))
