"""`zfpipe.open`: what a notebook reads is what stands in the files."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zfpipe
from zfpipe.__main__ import main
from zfpipe.errors import UserError
from zfpipe.files.reconstruction import inside_image, open_reconstruction
from zfpipe.files.sums import table_with_sums
from zfpipe.files.topk import read_topk

sys.path.append(str(Path(__file__).parent / "stages"))
from gallery_site import EPOCHS, FOLLOWED, evolution_file
from small import PACKED, SIZE, model_file, packed_file, pictures

DEAD = (1, 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A results folder with one run of two layers; of conv3, units 2 and 0 alone are reconstructed."""
    results = tmp_path_factory.mktemp("results")
    run, images = results / "tiny", results / "data/crops/pack/64/val.h5"
    for place in (run / "train", run / "mine", run / "reconstruct", images.parent):
        place.mkdir(parents=True)
    model, topk = model_file(run / "train/model.pt", dead=DEAD), run / "mine/topk.h5"
    metrics = table_with_sums("epoch,train_loss,val_loss,val_top1\n1,2.5,2.6,0.25\n2,2.0,2.1,0.5\n")
    (run / "train/metrics.csv").write_text(metrics)
    common = ["--model", str(model), "--images", str(packed_file(images))]
    assert main(["mine", *common, "--layers", "conv2", "conv3", "--k", "4", "--out", str(topk)]) == 0
    for layer, units in (("conv2", []), ("conv3", ["--units", "2", "0"])):
        out = ["--topk", str(topk), "--layer", layer, "--out", str(run / f"reconstruct/{layer}.h5")]
        assert main(["reconstruct", *common, *out, *units]) == 0
    return results


@pytest.fixture
def run(folder):
    return zfpipe.open(folder)["tiny"]


def test_runs_and_layers_are_found_by_name(folder):
    results = zfpipe.open(str(folder))
    assert list(results) == ["tiny"]
    assert list(results["tiny"]) == ["conv2", "conv3"]
    assert "tiny" in results
    assert "other" not in results
    assert results["tiny"].get("conv9") is None


def test_a_histogram_counts_every_image_once(folder, run):
    table = run["conv2"][0].histogram()
    assert table.images.sum() == run.topk.images
    assert table.loc[0].tolist() == [0, 0, table.images[0]]
    highest = table.iloc[-1]
    assert highest.low <= run["conv2"][0].activation[0] < highest.high
    assert run["conv2"][DEAD[0]].histogram().to_numpy().tolist() == [[0, 0, run.topk.images]]


def test_the_table_holds_what_was_mined(folder, run):
    mined = read_topk(folder / "tiny/mine/topk.h5").layers["conv2"]
    table = run["conv2"].top()
    assert len(table) == mined.present.sum()
    assert run["conv2"].dead == list(DEAD)
    assert not table["unit"].isin(DEAD).any()
    for entry in table.itertuples():
        at = entry.unit, entry.rank
        assert (entry.activation, entry.image_index) == (mined.activation[at], mined.image_index[at])
        assert (entry.row, entry.col) == (mined.row[at], mined.col[at])
        assert (entry.top, entry.left, entry.bottom, entry.right) == tuple(mined.boxes((SIZE, SIZE))[at])
        assert entry.path == f"{entry.image_index}.png"
        assert table["class"][entry.Index] == "abc"[entry.image_index % 3]
    some = run["conv2"].top([3, 0])
    assert some["unit"].drop_duplicates().tolist() == [3, 0]


def test_arrays_are_those_of_the_file(folder, run):
    with open_reconstruction(folder / "tiny/reconstruct/conv3.h5") as found:
        for position, number in enumerate((2, 0)):
            unit = run["conv3"][number]
            for rank in range(len(unit.activation)):
                assert np.array_equal(unit.projection(rank), found.projection(position)[rank])
                assert np.array_equal(unit.patch(rank), found.patch(position)[rank])
            assert unit.activation.tolist() == found.activation[position][found.present[position]].tolist()


def test_a_patch_is_cut_from_the_image_that_the_run_gives(run):
    edge = (PACKED - SIZE) // 2
    for entry in run["conv2"].top([0]).itertuples():
        image = run.image(entry.image_index)
        assert np.array_equal(image, pictures(11)[entry.image_index][edge : edge + SIZE, edge : edge + SIZE])
        box = np.array([entry.top, entry.left, entry.bottom, entry.right])
        inside = inside_image(box, (SIZE, SIZE))
        top, left = max(box[0], 0), max(box[1], 0)
        cut = image[top : max(box[2], 0), left : max(box[3], 0)]
        assert np.array_equal(run["conv2"][0].patch(entry.rank)[inside], cut.reshape(-1, 3))


def test_metrics_are_a_frame(run):
    assert run.metrics["val_top1"].tolist() == [0.25, 0.5]
    assert list(run.metrics) == ["epoch", "train_loss", "val_loss", "val_top1"]
    assert run.labels[:4] == ["a", "b", "c", "a"]


def test_show_sets_projection_left_of_patch_and_zero_is_grey(run):
    unit = run["conv2"][0]
    shown = unit.show(scale=2)
    height, width = unit.patch(0).shape[:2]
    assert isinstance(shown, Image.Image)
    assert shown.width == 3 * 4 * width + 2 * 8
    pixels = np.asarray(shown)
    inside = inside_image(run["conv2"].top([0]).iloc[0][["top", "left", "bottom", "right"]], (SIZE, SIZE))
    patch = pixels[: 2 * height : 2, 2 * width : 4 * width : 2]
    assert np.array_equal(patch[inside], unit.patch(0)[inside])
    nothing = inside & (unit.projection(0) == 0).all(-1)
    assert (pixels[: 2 * height : 2, : 2 * width : 2][nothing] == 128).all()
    assert run["conv2"][DEAD[0]].show().size[0] > 0


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda results: results["tinny"], "did you mean 'tiny'"),
        (lambda results: results["tiny"]["conv22"], "did you mean 'conv2'"),
        (lambda results: results["tiny"]["conv2"][999], "its units are 0 to"),
        (lambda results: results["tiny"]["conv2"][DEAD[0]].patch(0), "it is dead"),
        (lambda results: results["tiny"]["conv2"][0].projection(7), "its ranks are 0 to 3"),
        (lambda results: results["tiny"]["conv3"][1].show(), "left it out"),
        (lambda results: results["tiny"].image(11), "its images are 0 to 10"),
    ],
)
def test_what_is_not_there_is_named(folder, ask, sentence):
    with pytest.raises(UserError, match=sentence):
        ask(zfpipe.open(folder))


def test_a_folder_without_runs_a_stale_file_and_lost_images_are_said(folder, tmp_path):
    with pytest.raises(UserError, match="There is no run"):
        zfpipe.open(tmp_path)
    shutil.copytree(folder / "tiny", tmp_path / "tiny")
    run = zfpipe.open(tmp_path)["tiny"]
    assert run.paths is None
    assert run["conv2"].top()["path"].isna().all()
    with pytest.raises(UserError, match="packed images of tiny are gone"):
        run.image(0)
    metrics = tmp_path / "tiny/train/metrics.csv"
    metrics.write_text(metrics.read_text().replace("2.5", "2.6", 1))
    with pytest.raises(UserError, match="is damaged"):
        zfpipe.open(tmp_path)["tiny"].metrics  # noqa: B018
    topk = tmp_path / "tiny/mine/topk.h5"
    topk.write_bytes(topk.read_bytes() + b"\0")
    with pytest.raises(UserError, match="is stale"):
        run["conv2"][0].show()


def test_units_through_training_are_a_table_and_arrays(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    run = zfpipe.open(tmp_path / "copy")["tiny"]
    with pytest.raises(UserError, match=r"There is no file .*evolve\.h5"):
        run.evolve()
    (run.folder / "evolve").mkdir()
    evolution_file(run.folder, run.folder / "evolve/evolve.h5")
    table, layer = run.evolve(), run.evolution.layers["conv2"]
    assert table.columns[:5].tolist() == ["layer", "unit", "epoch", "activation", "train_index"]
    first = table[table.unit == FOLLOWED[0]]
    assert first.epoch.tolist() == list(EPOCHS)
    assert first.changed.tolist() == [False, True, False, True]
    assert first["class"].tolist() == [run.evolution.classes[label] for label in layer.label[0]]
    second = table[table.unit == FOLLOWED[1]]
    assert second.epoch.tolist() == list(EPOCHS[1:])
    assert np.array_equal(second.train_index, layer.entries.image_index[1, 1:])
    assert FOLLOWED[2] not in set(table.unit)
    model_file(run.folder / "other.pt", seed=1)
    words = ["mine", "--model", run.folder / "other.pt", "--images", next(tmp_path.glob("copy/data/*/pack/*/val.h5"))]
    assert main([str(word) for word in [*words, "--layers", "conv2", "--out", run.folder / "mine/topk.h5"]]) == 0
    with pytest.raises(UserError, match="other weights"):
        zfpipe.open(tmp_path / "copy")["tiny"].evolve()


def test_what_is_no_unit_is_one_sentence(run):
    layer = run["conv2"]
    assert layer.top(2).equals(layer.top([2]))
    for wrong in (1.5, "a", slice(1, 3)):
        with pytest.raises(UserError, match="is a whole number, not"):
            layer[wrong]
    with pytest.raises(UserError, match="scale is -2"):
        layer[0].show(scale=-2)
