"""The stage compare: its table is what the files hold; names stay text; what is refused."""

import json

import pandas as pd
import pytest
from gallery_site import call
from PIL import Image
from small import model_file, packed_file

from zfpipe.data.comparison import differing
from zfpipe.files.sums import table_with_sums
from zfpipe.files.topk import read_topk

METRICS = "epoch,train_top1,val_top1,val_top5\n1,0.1,0.2,0.3\n2,0.5,0.25,0.75\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    packed_file(folder / "val.h5")
    for name, dead in (("one", (1, 4)), ("two", ())):
        at = folder / name
        at.mkdir()
        model_file(at / "model.pt", dead=dead)
        (at / "metrics.csv").write_text(table_with_sums(METRICS if name == "one" else METRICS.splitlines()[0] + "\n"))
        given = ["--images", folder / "val.h5", "--topk", at / "topk.h5"]
        call("mine", "--model", at / "model.pt", *given[:2], "--layers", "conv1", "conv2", "--out", at / "topk.h5")
        call("selectivity", *given, "--out-csv", at / "s.csv", "--out-png", at / "s.png")
        Image.new("RGB", (2000, 300), "red").save(at / "conv1.png")
    (folder / "one/like.csv").write_text("layer,unit,structural,ranks\nconv1,0,0.2,0.4\nconv1,1,,\nconv1,2,0.4,0.8\n")
    return folder


def options(made, out, **changed):
    files = {"model": "model.pt", "metrics": "metrics.csv", "topk": "topk.h5", "selectivity": "s.csv"} | changed
    words = ["--name", "one", "two"]
    for option, name in files.items():
        words += [f"--{option}", made / "one" / name, made / "two" / name]
    words += ["--similarity", "one", made / "one/like.csv", "--figure", "two", "conv1", made / "two/conv1.png"]
    return ["compare", *words, "--out-csv", out / "c.csv", "--out-html", out / "c.html"]


def test_the_table_and_the_page_hold_what_the_files_hold(made, tmp_path):
    call(*options(made, tmp_path))
    table = pd.read_csv(tmp_path / "c.csv")
    units = {run: pd.read_csv(made / run / "s.csv") for run in ("one", "two")}
    for row in table.itertuples():
        own = units[row.run][units[row.run].layer == row.layer]
        assert (row.units, row.dead) == (len(own), (own.entries == 0).sum())
        full = own[own.entries == 9]  # all that were asked for
        assert row.selectivity == pytest.approx(full.selectivity.median(), abs=1e-4)
        assert row.by_chance == pytest.approx(full.by_chance.median(), abs=1e-4)
        assert row.dead == read_topk(made / row.run / "topk.h5").layers[row.layer].dead.sum()
    assert table.val_top1.fillna(-1).tolist() == [0.25, 0.25, -1, -1]
    assert table.epochs.tolist() == [2, 2, 0, 0]
    assert table.ranks.fillna(-1).tolist() == [pytest.approx(0.6), -1, -1, -1]
    page = (tmp_path / "c.html").read_text()
    assert page.count("data:image/jpeg") == 1
    assert "0.60" in page
    assert "25.0 %" in page


def test_settings_in_which_runs_differ_are_shown_and_those_of_all_are_not(made, tmp_path):
    model = {"name": "zfnet", "width": 0.1}
    settings = {
        "one": {"model": model | {"norm": "none"}, "train": {"precision": "float32", "epochs": 2}},
        "two": {"model": model, "train": {"precision": "bf16", "epochs": 2}},
    }
    call(*options(made, tmp_path), "--settings", json.dumps(settings))
    page = (tmp_path / "c.html").read_text()
    assert '<th scope="row">train.precision</th><td>float32</td><td>bf16</td>' in page
    assert '<th scope="row">model.norm</th><td>none</td><td>contrast</td>' in page
    assert "model.width" not in page
    assert "train.epochs" not in page
    told = set(pd.read_csv(tmp_path / "c.csv").settings)
    assert told == {"model.norm none; train.precision float32", "model.norm contrast; train.precision bf16"}
    call(*options(made, tmp_path), "--settings", json.dumps(dict.fromkeys(settings, settings["one"])))
    assert "they have the same settings" in (tmp_path / "c.html").read_text()


def test_the_best_five_of_few_classes_are_not_told(made, tmp_path):
    call(*options(made, tmp_path))
    assert "top-5" not in (tmp_path / "c.html").read_text()
    assert pd.read_csv(tmp_path / "c.csv").val_top5.isna().all()


def test_lists_sections_and_what_a_run_lacks_are_shown_as_a_config_has_them():
    one = {"train": {"scale_range": [0.9, 1.0], "mean": None, "seed": 0}, "layers": ["conv1"]}
    two = {"train": {"scale_range": [1.0, 1.0], "mean": "pixel", "seed": 0}, "preprocess": {"crop": 64}}
    assert differing({"one": one, "two": two}) == {
        "train.scale_range": ["[0.9, 1.0]", "[1.0, 1.0]"],
        "train.mean": ["null", "pixel"],
        "layers": ['["conv1"]', ""],
        "preprocess.crop": ["", "64"],
    }


def test_what_is_damaged_or_does_not_fit_is_one_sentence(made, tmp_path, capsys):
    (made / "two/cut.csv").write_text("layer,unit\nconv1,0\n")
    (made / "one/cut.csv").write_text("layer,unit\nconv1,0\n")
    words = options(made, tmp_path)
    for command, sentence in (
        (options(made, tmp_path, selectivity="cut.csv"), "no table with selectivity"),
        (options(made, tmp_path, topk="none.h5"), "There is no file"),
        ([*words, "--settings", '{"one": {}}'], "--settings is no JSON with the settings of each run ('two')"),
        ([*words, "--model", made / "one/model.pt"], "There are 2 runs and 1 of --model"),
        ([*words, "--figure", "one", "conv2", made / "one/s.csv"], "is no picture"),
        ([*words, "--figure", "tow", "conv2", made / "two/conv1.png"], "--figure is 'tow' (did you mean 'two'?)"),
        ([*words, "--model", made / "two/model.pt", made / "one/model.pt"], "made from other weights"),
    ):
        call(*command, status=1)
        said = capsys.readouterr().err
        assert sentence in said
        assert "Traceback" not in said
