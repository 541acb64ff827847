"""The paper's further experiments, each switched on by its section of the config."""

import pandas as pd
import pytest

from zfpipe.files.evolution import read_evolution


def test_an_image_to_occlude_is_occluded_and_nothing_else_is_made_again(place):
    place.set(occlude={"images": {"cat": "photographs:chelsea"}, "labels": {"cat": "chelsea"}, "stride": 8})
    assert place.would_run() == {"occlude": 1}
    place.make()
    table = pd.read_csv(place / "results/tiny/occlude/cat.csv")
    assert len(table) == 1 + 7 * 7  # 0, 8, ... 40 and the border at 56 - 11
    assert (place / "results/tiny/occlude/cat.png").stat().st_size > 10_000
    place.set(occlude={"images": {"cat": "photographs:chelsea"}, "square": 20})
    assert place.would_run() == {"occlude": 1}


def test_images_are_warped_once_for_all(place):
    place.set(invariance={"images": {"cat": "photographs:chelsea", "cup": "photographs:coffee"}, "dpi": 60})
    place.make("results/tiny/invariance/invariance.csv")
    table = pd.read_csv(place / "results/tiny/invariance/invariance.csv")
    assert sorted(set(table.image)) == ["cat", "cup"]
    assert (place / "results/tiny/invariance/invariance.png").exists()


def test_what_is_not_there_to_occlude_is_one_sentence(place):
    for section, sentence in (
        ({"images": {"cat": "cat.png"}}, "occlude.images.cat is 'cat.png', and there is no such file"),
        ({"layer": "conv4"}, "occlude.layer names 'conv4' (did you mean 'conv3'?)"),
        ({"labels": {"cat": "chelsea"}}, "occlude.labels names 'cat'"),
        ({"sqare": 3}, "did you mean 'square'?"),
    ):
        place.config["occlude"] = section
        said = place.make(status=1)
        assert sentence in said
        assert "Traceback" not in said


def test_a_run_is_compared_with_its_control(place):
    control = place.config["runs"]["tiny"] | {"train": {"epochs": 0}, "layers": ["conv1"]}
    place.config["runs"]["control"] = control | {"model": control["model"] | {"weights": "random"}}
    place.config["runs"]["tiny"]["similarity"] = {"to": "control", "units": 3}
    place.make("results/tiny/similarity/similarity.csv")
    table = pd.read_csv(place / "results/tiny/similarity/similarity.csv")
    assert set(table.layer) == {"conv1", "conv2", "conv3"}
    assert table.ranks.abs().max() < 0.999


def test_runs_with_and_without_layers_stand_in_one_table(place):
    cut = place.config["runs"]["tiny"] | {"layers": ["conv5"]}
    place.config["runs"]["cut"] = cut | {"model": cut["model"] | {"drop": [3, 4], "fc": 1000}}
    place.config["ablate"] = {"enabled": True}
    place.make("results/ablate/ablate.csv")
    table = pd.read_csv(place / "results/ablate/ablate.csv")
    assert sorted(table.run) == ["cut", "tiny"]
    assert table.val_top1_error.between(0, 100).all()
    place.config["runs"]["cut"]["layers"] = ["conv3"]
    assert "runs.cut.layers names 'conv3'" in place.make(status=1)


@pytest.mark.slow
def test_all_runs_stand_on_one_page(place):
    control = place.config["runs"]["tiny"] | {"train": {"epochs": 0}, "layers": ["conv1", "conv2"]}
    place.config["runs"]["control"] = control | {"model": control["model"] | {"weights": "random"}}
    place.config["runs"]["tiny"]["similarity"] = {"to": "control", "units": 2}
    place.make("results/compare/compare.html")
    table = pd.read_csv(place / "results/compare/compare.csv")
    assert table[["run", "layer"]].to_numpy().tolist() == [
        *(["control", f"conv{number}"] for number in (1, 2)),
        *(["tiny", f"conv{number}"] for number in (1, 2, 3)),
    ]
    assert table.ranks.notna().tolist() == [False, False, True, True, True]
    page = (place / "results/compare/compare.html").read_text()
    assert page.count("data:image/jpeg") == 5
    assert 'href="../tiny/figure/conv3.png"' in page


def test_the_target_paper_makes_what_is_not_enabled(place):
    place.set(selectivity={"enabled": False, "dpi": 61})
    assert "selectivity" not in place.would_run()
    planned = place.would_run("paper")
    assert {"evaluate", "evolve", "selectivity", "ablate", "compare", "filters"} <= set(planned)


def test_two_runs_are_evaluated_together(place):
    place.config["runs"]["twin"] = place.config["runs"]["tiny"] | {"train": {"seed": 1}, "layers": ["conv1"]}
    place.config["runs"]["tiny"]["evaluate"] = {"enabled": True, "with": ["twin"]}
    place.make("results/tiny/evaluate/evaluate.csv")
    table = pd.read_csv(place / "results/tiny/evaluate/evaluate.csv")
    assert table.networks.tolist() == ["tiny", "tiny", "twin", "twin", "tiny + twin", "tiny + twin"]
    metrics = pd.read_csv(place / "results/tiny/train/metrics.csv")
    assert table.top1[0] == pytest.approx(metrics.val_top1.iloc[-1], abs=1e-6)
    place.config["runs"]["tiny"]["evaluate"] = {"with": ["twins"]}
    assert "evaluate.with names 'twins' (did you mean 'twin'?)" in place.make(status=1)


def test_units_are_followed_through_training_and_a_figure_alone_is_drawn_again(place):
    place.set(evolve={"enabled": True, "units": 2, "layers": ["conv2", "conv3"], "dpi": 60})
    assert place.would_run() == {"evolve": 1, "filmstrip": 2, "gallery": 1}
    place.make()
    found = read_evolution(place / "results/tiny/evolve/evolve.h5")
    assert (found.epochs, list(found.layers)) == ([1, 2], ["conv2", "conv3"])
    assert (place / "results/tiny/filmstrip/conv3.pdf").stat().st_size > 1000
    place.set(evolve={"dpi": 90})
    assert place.would_run() == {"filmstrip": 2}
    assert (place / "results/tiny/gallery/data/epochs-0-1.js").exists()
    place.set(evolve={"dpi": 60, "units": 3})
    assert place.would_run() == {"evolve": 1, "filmstrip": 2, "gallery": 1}


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"epochs": [1, 3]}, "evolve.epochs names 3, and train.epochs is 2; it can be 1 to 2"),
        ({"layers": ["conv6"]}, "evolve.layers names 'conv6'"),
        ({"epoch": [1]}, "did you mean 'epochs'?"),
    ],
)
def test_epochs_and_layers_that_are_not_there_are_one_sentence(place, section, sentence):
    place.set(evolve={"enabled": True} | section)
    said = place.make(status=1)
    assert sentence in said
    assert "Traceback" not in said


def test_filters_and_parts_have_their_rules(place):
    place.config["filters"] = {"enabled": True, "count": 3}
    boxes = "image,part,top,left,bottom,right\ncat,eye,100,150,140,200\nman,eye,200,200,240,260\n"
    (place / "boxes.csv").write_text(boxes)
    images = {"cat": "photographs:chelsea", "man": "photographs:astronaut"}
    place.config["runs"]["tiny"]["correspond"] = {"images": images, "boxes": "boxes.csv", "draws": 2}
    assert place.would_run() == {"filters": 1, "correspond": 1}
    place.make("results/filters/filters.csv", "results/tiny/correspond/correspond.csv")
    assert pd.read_csv(place / "results/filters/filters.csv").layer.tolist() == ["conv1", "conv2"]
    assert set(pd.read_csv(place / "results/tiny/correspond/correspond.csv").part.dropna()) == {"eye"}
    place.config["filters"] = {"runs": ["tinny"]}
    assert "filters.runs names 'tinny' (did you mean 'tiny'?)" in place.make(status=1)
    place.config["filters"] = {}
    place.config["runs"]["tiny"]["correspond"] = {"images": {"cat": "photographs:chelsea"}}
    assert "it compares images, so name at least 2" in place.make(status=1)
