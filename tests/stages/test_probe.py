"""Probing from files to tables and a figure."""

import numpy as np
import pandas as pd
import pytest
from small import PACKED, model, model_file

from zfpipe.__main__ import main
from zfpipe.data.packed import write_packed
from zfpipe.nets.models import save_model
from zfpipe.stages.probe import summarised

CLASSES = ["dark", "red", "blue"]
RECIPE = (
    '{"mean": ["channel"], "std": ["channel"], "initialisation": "he", "learning_rate": 0.01, "schedule": "constant"}'
)


def part(path, split, counts, size=PACKED, classes=CLASSES, colour=1):
    """Noise on grounds of three colours, which any layer tells apart; on one ground with colour 0."""
    generator = np.random.default_rng(len(split))
    labels = np.repeat(np.arange(len(classes)), counts)
    grounds = np.array([[40, 40, 40], [220, 60, 60], [60, 60, 220]])
    images = [
        (generator.integers(0, 36, (size, size, 3)) + (grounds[label] if colour else 100)).astype(np.uint8)
        for label in labels
    ]
    names = [f"{split}-{number}.png" for number in range(len(labels))]
    write_packed(path, images, labels, names, classes, split=split, size=size, manifest_sha256="m" * 64)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    model_file(folder / "model.pt")
    part(folder / "train.h5", "train", (8, 9, 10))
    part(folder / "val.h5", "val", (4, 6, 5))
    part(folder / "plain-train.h5", "train", (8, 9, 10), colour=0)
    part(folder / "plain-val.h5", "val", (20, 20, 20), colour=0)
    part(folder / "wrong.h5", "val", (2, 2, 2), size=PACKED + 8)
    part(folder / "others.h5", "val", (2, 2), classes=["dark", "red"])
    (folder / "cut.h5").write_bytes((folder / "val.h5").read_bytes()[:-400])
    return folder


def probe(made, out, *options, model_at="model.pt", train="train.h5", val="val.h5"):
    words = ["probe", "--model", made / model_at, "--train", made / train, "--val", made / val, "--dpi", "60"]
    words += ["--images-per-class", "2", "6", "--splits", "2", "--layers", "conv1", "conv5"]
    words += ["--out-csv", out / "p.csv", "--out-summary", out / "s.csv", "--out-png", out / "p.png", *options]
    return main([str(word) for word in words])


def test_what_any_layer_tells_apart_is_told_apart(made, tmp_path):
    written = []
    for _ in range(2):
        assert (
            probe(made, tmp_path, "--dense", "--control", "--C", "1", "10", "--test-images", "5", "--features", "300")
            == 0
        )
        written.append([(tmp_path / name).read_bytes() for name in ("p.csv", "s.csv", "p.png")])
    assert written[0] == written[1]
    table = pd.read_csv(tmp_path / "p.csv")
    keys = ["network", "layer", "classifier", "images_per_class", "split"]
    assert len(table) == len(table[keys].drop_duplicates()) == 2 * 4 * 2 * 2 * 2
    assert list(dict.fromkeys(table.layer)) == ["conv1", "conv5", "fc6", "fc7"]
    assert set(table.tested) == {4 + 5 + 5}
    assert table.features.max() <= 300
    assert (table.accuracy[table.layer == "conv1"] == 1).all()
    summary = pd.read_csv(tmp_path / "s.csv")
    assert summary.paper.isna().all()


def test_where_the_classes_are_alike_it_guesses(made, tmp_path):
    assert probe(made, tmp_path, "--splits", "4", train="plain-train.h5", val="plain-val.h5") == 0
    table, summary = (pd.read_csv(tmp_path / name) for name in ("p.csv", "s.csv"))
    assert table.accuracy.mean() == pytest.approx(1 / 3, abs=0.08)
    groups = table.groupby(["network", "layer", "classifier", "images_per_class"], sort=False).accuracy
    assert summary.splits.tolist() == [4] * 8
    assert summary["mean"].tolist() == pytest.approx(groups.mean().tolist(), abs=2e-6)
    assert summary.deviation.tolist() == pytest.approx(groups.std(ddof=1).tolist(), abs=2e-6)


def test_the_same_network_is_trained_from_nothing_too(made, tmp_path):
    written = []
    for _ in range(2):
        options = ["--classifiers", "softmax", "--scratch-epochs", "8", "--recipe", RECIPE]
        assert probe(made, tmp_path, *options, "--draw", "all", "--splits", "1") == 0
        written.append((tmp_path / "p.csv").read_bytes())
    assert written[0] == written[1]
    table = pd.read_csv(tmp_path / "p.csv")
    scratch = table[table.network == "scratch"]
    assert scratch.images_per_class.tolist() == [2, 6]
    assert scratch.tested.tolist() == [27 + 15 - 3 * 6] * 2
    assert scratch.accuracy.iloc[-1] > 0.6
    assert set(table.network) == {"trained", "scratch"}


def test_the_random_network_is_not_the_trained_one(made, tmp_path):
    zero = model()
    for parameter in zero.network.parameters():
        parameter.zero_()
    save_model(tmp_path / "zero.pt", zero, epoch=0)
    assert probe(made, tmp_path, "--control", model_at=tmp_path / "zero.pt") == 0
    table = pd.read_csv(tmp_path / "p.csv").query("layer == 'conv1'")
    assert table[table.network == "trained"].accuracy.tolist() == pytest.approx([1 / 3] * 8, abs=1e-6)
    assert (table[table.network == "random"].accuracy == 1).all()


def test_the_papers_numbers_stand_beside_rows_that_it_has():
    kinds = [(layer, name, n) for layer in ("conv5", "fc7") for name in ("svm", "softmax") for n in (15, 30)]
    rows = [("trained", layer, 9, name, n, 1, 1, 5, 0.5) for layer, name, n in kinds]
    rows.append(("random", "conv5", 9, "svm", 30, 1, 1, 5, 0.1))
    rows.append(("scratch", "all", "", "softmax", 15, 1, "", 5, 0.1))
    rows.append(("trained", "features.0", 9, "svm", 30, 1, 1, 5, 0.5))
    columns = ["network", "layer", "features", "classifier", "images_per_class", "split", "c", "tested", "accuracy"]
    table = pd.DataFrame(rows, columns=columns)
    found = summarised(table, "caltech101").paper.tolist()
    wanted = [None, 0.862, None, 0.829, None, 0.855, 0.838, 0.865, None, 0.228, None]
    assert [None if np.isnan(value) else round(value, 6) for value in found] == wanted
    assert summarised(table, None).paper.isna().all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--images-per-class", "9"], "The class 'dark' has 8 training images and probe.images_per_class asks for 9"),
        (["--images-per-class", "0"], "probe.images_per_class has 0"),
        (["--layers", "conv11"], "no layer 'conv11' (did you mean 'conv1'?)"),
        (["--classifiers", "svn"], "probe.classifiers is 'svn' (did you mean 'svm'?)"),
        (["--draw", "al"], "probe.draw is 'al'"),
        (["--C", "0"], "probe.C has 0"),
        (["--splits", "0"], "probe.splits is 0"),
        (["--features", "3"], "'conv1' has 6 features in a single cell and probe.features allows 3"),
        (["--memory", "0.0000001"], "probe.memory allows 1e-07"),
        (["--scratch-epochs", "1", "--recipe", '{"momentun": 1}'], "no setting 'momentun' (did you mean 'momentum'?)"),
        (["--scratch-epochs", "1", "--recipe", "[1]"], "no JSON object"),
        (["--scratch-epochs", "2", "--recipe", '{"learning_rate": 1e30}'], "choose a smaller train.learning_rate"),
        (["--model", "nowhere.pt"], "nowhere.pt"),
        (["--train", "nowhere.h5"], "nowhere.h5"),
    ],
)
def test_bad_options_end_in_one_sentence(made, tmp_path, capsys, options, sentence):
    assert probe(made, tmp_path, "--classifiers", "softmax", *options) == 1
    printed = capsys.readouterr().err
    assert sentence in printed
    assert "Traceback" not in printed
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("val", "sentence"),
    [
        ("wrong.h5", f"pack them with --size {PACKED}"),
        ("others.h5", "do not belong together"),
        ("cut.h5", "cut.h5"),
        ("model.pt", "model.pt"),
    ],
)
def test_files_that_do_not_fit_end_in_one_sentence(made, tmp_path, capsys, val, sentence):
    assert probe(made, tmp_path, val=val) == 1
    printed = capsys.readouterr().err
    assert sentence in printed
    assert "Traceback" not in printed
    assert not list(tmp_path.iterdir())
