"""`zfpipe audit`: planted wrong labels are found, in a table, on a page, and in a list that the next check takes."""

import csv

import numpy as np
import pytest
import torch
from image_of_class import CLASSES, picture
from torch import nn

from zfpipe.__main__ import main
from zfpipe.data.packed import write_packed
from zfpipe.data.table import read_exclusions
from zfpipe.nets.models import Model, build, save_model

WRONG = {"train": {3, 17}, "val": {4}}
SPEC = {"name": "zfnet", "width": 0.06, "input_size": 60, "norm": "none"}


def labelled(split, count=30):
    labels = np.arange(count) % 3
    labels[list(WRONG[split])] += 1
    return labels % 3


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Both splits, and a network that tells red, green and blue apart by the mean of a channel."""
    folder = tmp_path_factory.mktemp("audit")
    for split in ("train", "val"):
        labels = labelled(split)
        paths = [f"{split}/{CLASSES[label]}/<b>{number}.png" for number, label in enumerate(labels)]
        images = [picture(number % 3, number) for number in range(len(labels))]
        kind = {"split": split, "size": 64, "manifest_sha256": "m" * 64}
        write_packed(folder / f"{split}.h5", images, labels, paths, CLASSES, **kind)
    torch.manual_seed(0)
    network = build(SPEC, 3).eval()
    model = Model(network, SPEC, CLASSES, torch.full((3, 1, 1), 120.0), torch.full((3, 1, 1), 60.0), 64)
    _teach(model)
    save_model(folder / "model.pt", model, epoch=1)
    return folder


def _teach(model):
    """A few steps on right labels: the planted ones are never seen."""
    images = np.stack([picture(number % 3, 100 + number)[2:62, 2:62] for number in range(48)])
    inputs = model.normalise(torch.from_numpy(images).permute(0, 3, 1, 2))
    truth = torch.arange(48) % 3
    for parameter in model.network.parameters():
        parameter.requires_grad_(True)
        if parameter.dim() > 1:
            nn.init.kaiming_normal_(parameter)
    optimizer = torch.optim.Adam(model.network.parameters(), 2e-3)
    for _ in range(25):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model.network(inputs), truth).backward()
        optimizer.step()


def audit(files, *options, out="out"):
    out = files / out
    outputs = ["--out-csv", out / "audit.csv", "--out-html", out / "audit.html"]
    outputs += ["--out-exclusions", out / "exclusions.csv"]
    given = ["--model", files / "model.pt", "--val", files / "val.h5", "--device", "cpu"]
    return main(["audit", *map(str, [*given, *outputs, *options])])


def test_planted_labels_are_found(files, capsys):
    assert audit(files, "--train", files / "train.h5", "--batch-size", "7") == 0
    assert "2 of 30 train labels, 1 of 30 val labels" in capsys.readouterr().err
    rows = list(csv.DictReader((files / "out/audit.csv").open()))
    assert len(rows) == 60
    suspects = {(row["split"], int(row["image_index"])) for row in rows if row["suspect"] == "yes"}
    assert suspects == {(split, number) for split, numbers in WRONG.items() for number in numbers}
    for row in rows:
        right = CLASSES[int(row["image_index"]) % 3]
        assert row["suggested"] == right
        assert (float(row["margin"]) < 0) == (row["suspect"] == "yes")
    excluded = read_exclusions(files / "out/exclusions.csv")
    assert sorted(excluded) == sorted(row["path"] for row in rows if row["suspect"] == "yes")


def test_the_page_shows_the_suspects_and_needs_nothing_else(files):
    assert audit(files, "--title", "data <b>&", out="page") == 0
    page = (files / "page/audit.html").read_text()
    assert page.count("<img") == 1
    assert "<h1>Suspect labels: data &lt;b&gt;&amp;</h1>" in page
    assert "too little to judge" not in page
    assert "&lt;b&gt;4.png" in page
    for markup in ("<b>", "<script", "http:", "https:", "url("):
        assert markup not in page


def test_batches_and_repetition_give_the_same_bytes(files):
    assert audit(files, out="one") == 0
    assert audit(files, out="two") == 0
    for name in ("audit.csv", "audit.html", "exclusions.csv"):
        assert (files / "one" / name).read_bytes() == (files / "two" / name).read_bytes()


def test_a_network_for_other_classes_is_one_sentence(files, capsys):
    kind = {"split": "val", "size": 64, "manifest_sha256": "m" * 64}
    write_packed(files / "other.h5", [picture(0, 0)], [0], ["a.png"], ["cat"], **kind)
    assert audit(files, "--val", files / "other.h5", out="other") == 1
    assert "The network's outputs are not the data set's classes" in capsys.readouterr().err
    assert not (files / "other").exists()
    write_packed(files / "small.h5", [picture(0, 0)[:62, :62]], [0], ["a.png"], CLASSES, **kind | {"size": 62})
    assert audit(files, "--val", files / "small.h5", out="other") == 1
    assert "pack them with --size 64" in capsys.readouterr().err
    assert audit(files, "--batch-size", "0", out="other") == 1
