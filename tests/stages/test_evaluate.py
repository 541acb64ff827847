"""Evaluation from files to tables and a picture."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score
from small import model, model_file, packed_file

from zfpipe.__main__ import main
from zfpipe.data.packed import open_packed
from zfpipe.nets.evaluation import probabilities
from zfpipe.nets.models import save_model
from zfpipe.stages.evaluate import title_of


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    for seed in (0, 1):
        model_file(folder / f"{seed}.pt", seed=seed)
    packed_file(folder / "val.h5")
    packed_file(folder / "other.h5", manifest="o" * 64)
    return folder


def evaluate(made, out, models, *options, val="val.h5"):
    words = ["evaluate", "--model", *(made / name for name in models), "--val", made / val]
    words += ["--out-csv", out / "e.csv", "--out-confusion", out / "c.csv", "--out-png", out / "c.png", *options]
    return main([str(word) for word in words])


def test_one_network_and_two_averaged(made, tmp_path):
    written = []
    for _ in range(2):
        assert evaluate(made, tmp_path, ["0.pt", "1.pt"], "--name", "a", "b", "--batch-size", "3") == 0
        written.append([(tmp_path / name).read_bytes() for name in ("e.csv", "c.csv", "c.png")])
    assert written[0] == written[1]
    table = pd.read_csv(tmp_path / "e.csv")
    assert table.networks.tolist() == ["a", "a", "b", "b", "a + b", "a + b"]
    assert table.views.tolist() == [1, 10] * 3
    assert set(table.images) == {11}
    with open_packed(made / "val.h5") as packed:
        found = [[probabilities(model(seed), packed, 11, views) for seed in (0, 1)] for views in (1, 10)]
        labels = packed.labels
    for row, (views, which) in zip(table.itertuples(), [(v, w) for w in (0, 1, None) for v in (0, 1)], strict=True):
        mean = found[views][which] if which is not None else np.mean(found[views], axis=0)
        assert row.top1 == pytest.approx(accuracy_score(labels, mean.argmax(1)), abs=1e-6)
        assert row.top5 == 1  # of three classes
    confusion = pd.read_csv(tmp_path / "c.csv", index_col="true")
    assert confusion.index.tolist() == confusion.columns.tolist() == ["a", "b", "c"]
    assert confusion.sum(axis=1).tolist() == np.bincount(labels).tolist()
    assert np.trace(confusion) == np.sum(np.mean(found[1], axis=0).argmax(1) == labels)


def test_the_picture_says_of_how_many_views_it_is():
    title = title_of(("k1", 1, 69, "0.826087", "1.000000"), ("k1", 10, 69, "0.811594", "1.000000"))
    assert title == "k1: 81.2% of 69 right from ten views each\n(from the centre alone 82.6%)"


def test_outputs_in_another_order_are_found_by_their_names(made, tmp_path):
    turned = model()
    turned.classes = ["c", "a", "b"]
    for part in (turned.network.fc8.weight, turned.network.fc8.bias):
        part.copy_(part[[2, 0, 1]].clone())
    save_model(tmp_path / "turned.pt", turned, epoch=0)
    assert evaluate(made, tmp_path, ["0.pt"], "--name", "a") == 0
    straight = (tmp_path / "e.csv").read_bytes(), (tmp_path / "c.csv").read_bytes()
    assert evaluate(made, tmp_path, [tmp_path / "turned.pt"], "--name", "a") == 0
    assert ((tmp_path / "e.csv").read_bytes(), (tmp_path / "c.csv").read_bytes()) == straight


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--batch-size", "0"], "evaluate.batch_size is 0"),
        (["--name", "a"], "--name has 1 entries for 2 models"),
        (["--model", "nowhere.pt"], "nowhere.pt"),
    ],
)
def test_bad_options_end_in_one_sentence(made, tmp_path, capsys, options, sentence):
    assert evaluate(made, tmp_path, ["0.pt", "1.pt"], *options) == 1
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_networks_of_two_validation_sets_are_not_averaged(made, tmp_path, capsys):
    words = ["--val", made / "val.h5", made / "other.h5"]
    assert evaluate(made, tmp_path, ["0.pt", "1.pt"], *words) == 1
    assert "averaged networks need one validation set" in capsys.readouterr().err


def test_a_network_that_knows_other_classes_is_refused(made, tmp_path, capsys):
    other = model()
    other.classes = ["x", "y", "z"]
    save_model(tmp_path / "other.pt", other, epoch=0)
    assert evaluate(made, tmp_path, [tmp_path / "other.pt"]) == 1
    assert "not the data set's classes" in capsys.readouterr().err
