"""The table of filters from models, top-k files and second layers."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small import model, model_file, packed_file

from zfpipe.__main__ import main
from zfpipe.files.reconstruction import open_reconstruction
from zfpipe.nets.aliasing import share_beyond


def call(*words):
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filters")
    packed_file(folder / "val.h5")
    for name, settings in (("one", {"dead": (2, 5)}), ("two", {"seed": 1})):
        pt, topk = folder / f"{name}.pt", folder / f"{name}.h5"
        model_file(pt, **settings)
        shard = folder / f"{name}-shard.h5"
        mined = ("mine", "--model", pt, "--images", folder / "val.h5", "--layers", "conv1", "conv2", "--k", 3)
        assert call(*mined, "--out", shard) == 0
        assert call("merge", "--shards", shard, "--out", topk) == 0
    for layer in ("conv1", "conv2"):
        words = (
            "reconstruct",
            "--model",
            folder / "one.pt",
            "--images",
            folder / "val.h5",
            "--topk",
            folder / "one.h5",
        )
        assert call(*words, "--layer", layer, "--out", folder / f"{layer}.h5") == 0
    return folder


def filters(made, out, *options, second="conv2.h5", topks=("one.h5", "two.h5")):
    words = ["filters", "--model", made / "one.pt", made / "two.pt", "--topk", *(made / name for name in topks)]
    second = second if second == "-" else made / second
    words += ["--name", "one", "two", "--reconstruction", second, "-", "--dpi", 60]
    return call(*words, "--out-csv", out / "f.csv", "--out-png", out / "f.png", *options)


def test_a_row_a_run_and_layer_the_same_each_time(made, tmp_path):
    written = []
    for _ in range(2):
        assert filters(made, tmp_path, "--radius", 0.1, 0, "--count", 4) == 0
        written.append([(tmp_path / name).read_bytes() for name in ("f.csv", "f.png")])
    assert written[0] == written[1]
    table = pd.read_csv(tmp_path / "f.csv").set_index(["run", "layer"])
    assert list(table.index) == [("one", "conv1"), ("one", "conv2"), ("two", "conv1"), ("two", "conv2")]
    assert table["dead"].tolist()[1] >= 2
    assert table["filters"].tolist() == [6, 15, 6, 15]
    weights = model(dead=(2, 5)).network.conv1.conv.weight.numpy()
    rms = np.sqrt(np.square(weights).mean((1, 2, 3)))
    row = table.loc[("one", "conv1")]
    assert [row.rms_least, row.rms_median, row.rms_largest] == pytest.approx(
        [rms.min(), np.median(rms), rms.max()], 1e-5
    )
    assert row.aliased_noise == 0.75
    assert table.at_radius.isna().tolist() == [False, False, True, True]
    assert table.aliased_median.isna().tolist() == [False, False, False, True]


def test_without_second_layers_there_is_no_column_for_them(made, tmp_path):
    assert filters(made, tmp_path) == 0
    both = Image.open(tmp_path / "f.png").width
    assert filters(made, tmp_path, second="-") == 0
    assert Image.open(tmp_path / "f.png").width < 0.6 * both


def test_aliasing_of_the_second_layer_is_that_of_its_projections(made, tmp_path):
    assert filters(made, tmp_path) == 0
    shares = []
    with open_reconstruction(made / "conv2.h5") as found:
        for row in range(len(found.unit)):
            each = [found.projection(row)[rank] for rank in np.flatnonzero(found.present[row])]
            each = [float(share_beyond(one[None], (2, 2))[0]) for one in each if one.any()]
            shares += [np.mean(each)] if each else []
    row = pd.read_csv(tmp_path / "f.csv").iloc[1]
    expected = [min(shares), np.median(shares), max(shares)]
    assert [row.aliased_least, row.aliased_median, row.aliased_largest] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "settings", "sentence"),
    [
        (("--name", "one"), {}, "--name has 1 entries for 2 models"),
        (("--radius", 1, -1), {}, "--radius is [1.0, -1.0]"),
        (("--count", 0), {}, "--count is 0"),
        ((), {"second": "conv1.h5"}, "is of the layer 'conv1'; it has to be of the second layer, 'conv2'"),
        ((), {"topks": ("two.h5", "two.h5")}, "two.h5 was made from other weights than"),
        ((), {"topks": ("one.h5", "gone.h5")}, "gone.h5"),
        (("--reconstruction", "-", "conv2.h5"), {}, "conv2.h5 was made from other weights than"),
    ],
)
def test_what_does_not_fit_is_one_sentence(made, tmp_path, capsys, monkeypatch, options, settings, sentence):
    monkeypatch.chdir(made)
    assert filters(made, tmp_path, *options, **settings) == 1
    printed = capsys.readouterr().err
    assert sentence in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "f.csv").exists()
