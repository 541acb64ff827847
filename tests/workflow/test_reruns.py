"""What runs again after a change, as `snakemake -n` announces it; nothing is computed here."""

import os
import re
import shutil

import pytest
import torch

from zfpipe.files import checkpoint

BELOW_MINE = {"merge": 1, "selectivity": 1, "reconstruct": 3, "figure": 3, "gallery": 1}
MINE_AND_BELOW = {"mine": 2} | BELOW_MINE
TRAIN_AND_BELOW = {"train": 1, "view": 1} | MINE_AND_BELOW
EVERYTHING = {"check": 1, "pack": 2} | TRAIN_AND_BELOW


def test_a_finished_run_has_nothing_to_do(place):
    assert place.would_run() == {}
    assert "Nothing to be done" in place.snakemake("-n")


def test_a_mere_touch_reruns_nothing(place):
    for path in place.folder.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts:
            os.utime(path)
    assert place.would_run() == {}


def test_another_device_reruns_nothing(place):
    """One that is not there would else cost what a job that refuses it had made before."""
    place.config["device"] = "cuda" if place.config.get("device") != "cuda" else "cpu"
    place.set(train={"devices": 2})
    assert place.would_run() == {}


@pytest.mark.parametrize("change", [{"dpi": 50}, {"scale": "unit"}, {"count": {"default": 2}}])
def test_how_a_figure_looks_reruns_figures_alone(place, change):
    place.set(figure=change)
    assert place.would_run() == {"figure": 3}


def test_how_strong_projections_look_reruns_the_gallery_too(place):
    place.set(figure={"quantile": 0.9})
    assert place.would_run() == {"figure": 3, "gallery": 1}


def test_units_of_one_layer_rerun_that_layer_alone(place):
    place.set(figure={"units": {"conv2": [1, 2]}})
    assert place.would_run() == {"figure": 1}
    place.set(figure={"units": {}}, reconstruct={"units": {"conv2": [1, 2, 3]}})
    assert place.would_run() == {"reconstruct": 1, "figure": 1, "gallery": 1}


def test_another_k_reruns_mining_and_below_and_no_training(place):
    place.set(mine={"k": 2})
    assert place.would_run() == MINE_AND_BELOW


def test_another_number_of_shards_merges_new_shards_alone(place):
    place.set(mine={"shards": 3})
    assert place.would_run() == MINE_AND_BELOW | {"mine": 3}
    merging = re.search(
        r"zfpipe merge --shards (.*) --out", place.snakemake("-n", "--printshellcmds", "--quiet", "host")
    )
    assert merging[1].split() == [f"results/tiny/mine/shard-{n}-of-3.h5" for n in (1, 2, 3)]


def test_another_way_to_collide_reruns_what_projects(place):
    place.set(reconstruct={"collide": "overwrite"})
    assert place.would_run() == {"reconstruct": 3, "figure": 3, "gallery": 1, "view": 1}


def test_another_layer_is_mined_and_drawn_without_training(place):
    place.config["runs"]["tiny"]["layers"] += ["conv4"]
    assert place.would_run() == {"mine": 2} | BELOW_MINE | {"reconstruct": 4, "figure": 4}


def test_another_image_to_view_is_viewed_alone(place):
    place.set(view={"images": {"cat": "photographs:chelsea", "cup": "photographs:coffee"}})
    assert place.would_run() == {"view": 1}


def test_other_weights_rerun_what_looks_at_them(place):
    path = place / "results/tiny/train/model.pt"
    content = checkpoint.load(path, "model")
    content["state_dict"] = {key: value + 1 for key, value in content["state_dict"].items()}
    checkpoint.save(path, "model", content)
    assert place.would_run() == MINE_AND_BELOW | {"view": 1}


def test_more_epochs_rerun_training_and_below(place):
    place.set(train={"epochs": 3})
    assert place.would_run() == TRAIN_AND_BELOW


@pytest.mark.parametrize("act", ["added", "gone"])
def test_another_image_in_the_folder_is_checked_and_all_below(place, act):
    image = place / "images/val/rocket/00.png"
    if act == "added":
        shutil.copy(image, image.with_name("new.png"))
    else:
        image.unlink()
    assert place.would_run() == EVERYTHING


def test_a_deleted_figure_is_rebuilt_alone(place):
    (place / "results/tiny/figure/conv2.png").unlink()
    assert place.would_run() == {"figure": 1}


def test_a_deleted_result_is_rebuilt_with_what_follows(place):
    (place / "results/tiny/reconstruct/conv1.h5").unlink()
    (place / "results/tiny/figure/conv1.png").unlink()
    assert place.would_run() == {"reconstruct": 1, "figure": 1, "gallery": 1}


def test_another_run_trains_beside_the_first_on_the_same_images(place):
    place.config["runs"]["other"] = place.config["runs"]["tiny"] | {"train": {"seed": 1}}
    assert place.would_run() == TRAIN_AND_BELOW


@pytest.fixture
def own_code(place):
    """A copy of the run that has its code to itself, to be edited."""
    place.code = shutil.copytree(place.code, place / "code")
    return place


def test_comments_docstrings_and_layout_rerun_nothing(own_code):
    for path in (own_code / "code/zfpipe").rglob("*.py"):
        path.write_text("# A comment.\n" + path.read_text().replace('"""', '"""Indeed: ', 1) + "\n\n# Another.\n")
    assert own_code.would_run() == {}


@pytest.mark.parametrize(
    ("module", "rerun"),
    [
        ("stages/train.py", TRAIN_AND_BELOW),
        ("stages/mine.py", MINE_AND_BELOW),
        ("stages/reconstruct.py", {"reconstruct": 3, "figure": 3, "gallery": 1}),
        ("site/pixels.py", {"gallery": 1}),
        ("pictures/pages.py", {"figure": 3, "view": 1, "selectivity": 1, "gallery": 1}),
    ],
)
def test_other_code_reruns_the_stages_that_use_it_and_what_follows(own_code, module, rerun):
    path = own_code / f"code/zfpipe/{module}"
    path.write_text(path.read_text() + "\nNEW = 1\n")
    assert own_code.would_run() == rerun


def test_code_that_decides_no_result_reruns_nothing(own_code):
    for module in ("pictures/curves.py", "__main__.py", "progress.py", "errors.py", "experiment.py"):
        path = own_code / f"code/zfpipe/{module}"
        path.write_text(path.read_text() + "\nNEW = 1\n")
    assert own_code.would_run() == {}


def test_another_style_sheet_reruns_pictures_alone(own_code):
    path = own_code / "code/zfpipe/pictures/paper.mplstyle"
    path.write_text(path.read_text() + "\n# other\n")
    assert own_code.would_run() == {"figure": 3, "view": 1, "selectivity": 1}


def test_another_script_of_the_page_reruns_the_gallery_alone(own_code):
    path = own_code / "code/zfpipe/site/web/unit.js"
    path.write_text(path.read_text() + "\n// other\n")
    assert own_code.would_run() == {"gallery": 1}


def test_the_weights_of_the_finished_run_are_the_states(finished):
    """What the tests above stand on: the run is a real one."""
    (state,) = (finished / "results/tiny/state").glob("*/epoch-0002.pt")
    weights = checkpoint.load(state, "checkpoint")["weights"]
    model = checkpoint.load(finished / "results/tiny/train/model.pt", "model")["state_dict"]
    assert all(torch.equal(model[key], weights[key]) for key in model)
