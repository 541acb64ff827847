"""The real Snakefile from images to figures, on a small real set; what a user sees of it."""

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from zfpipe.data.packed import open_packed
from zfpipe.data.transforms import centre_crop
from zfpipe.files.reconstruction import open_reconstruction
from zfpipe.files.topk import read_topk
from zfpipe.nets.models import load_model

LAYERS = ("conv1", "conv2", "conv3")
SAID_BY_SNAKEMAKE = ("Using workflow specific profile",)


def test_every_deliverable_is_there_and_nothing_half_written(finished):
    tiny, data = finished / "results/tiny", finished / "results/data/small"
    for layer in LAYERS:
        assert Image.open(tiny / f"figure/{layer}.png").size > (100, 100)
        assert (tiny / f"figure/{layer}.pdf").read_bytes().startswith(b"%PDF")
        assert (tiny / f"reconstruct/{layer}.h5").is_file()
    assert Image.open(tiny / "view/cat/conv2.png").size > (100, 100)
    assert Image.open(tiny / "train/curves.png").size > (100, 100)
    assert len(list(csv.DictReader((tiny / "train/metrics.csv").open()))) == 2
    assert "<html" in (data / "check/report.html").read_text()
    assert json.loads((data / "check/report.json").read_text())["splits"]["val"]["images"] == 24
    assert sorted(path.name for path in (tiny / "mine").iterdir()) == [
        "shard-1-of-2.h5",
        "shard-2-of-2.h5",
        "topk.h5",
    ]
    assert not [path for path in finished.folder.rglob("*") if "tmp" in path.suffix or "part" in path.suffix]


def test_each_rule_logs_and_the_terminal_shows_the_same_lines_once(finished):
    output = (finished / "output.txt").read_text()
    for log in ("train", "mine-1-of-2", "reconstruct-conv1", "figure-conv1"):
        text = (finished / f"results/tiny/log/{log}.log").read_text()
        for line in text.strip().splitlines():
            assert output.count(line) >= 1
    assert output.count("epoch 2/2: train loss") == 1
    assert "Traceback" not in output


def test_mined_activations_are_those_of_a_brute_force(finished):
    topk = read_topk(finished / "results/tiny/mine/topk.h5")
    model = load_model(finished / "results/tiny/train/model.pt")
    with open_packed(finished / "results/data/small/pack/64/val.h5") as packed:
        images = torch.from_numpy(packed.read(0, len(packed))).permute(0, 3, 1, 2)
    maps = {}
    x = model.normalise(centre_crop(images, 56))
    net = model.network
    with torch.no_grad():
        maps["conv1"] = net.conv1(x)
        maps["conv2"] = net.conv2(net.norm1(net.pool1(maps["conv1"])))
        maps["conv3"] = net.conv3(net.norm2(net.pool2(maps["conv2"])))
    for layer in topk.layers.values():
        values = maps[layer.name].flatten(2).numpy()  # (N, C, H*W)
        slack = {"rtol": 1e-5, "atol": 1e-5 * values.max()}  # float32 sums of large and small products
        for unit in range(values.shape[1]):
            place = values[:, unit].argmax(1)
            most = values[np.arange(len(values)), unit, place]
            order = [image for image in np.argsort(-most, kind="stable")[:4] if most[image] > 0]
            there = len(order)
            np.testing.assert_allclose(layer.activation[unit, :there], most[order], **slack)
            assert not layer.activation[unit, there:].any()
            for rank, image in enumerate(layer.image_index[unit, :there]):  # rounding may swap two that all but tie
                np.testing.assert_allclose(most[image], layer.activation[unit, rank], **slack)
                position = layer.row[unit, rank] * layer.map_size[1] + layer.col[unit, rank]
                np.testing.assert_allclose(values[image, unit, position], most[image], **slack)


def test_reconstructions_are_of_the_same_weights_as_the_top_k(finished):
    topk = read_topk(finished / "results/tiny/mine/topk.h5")
    model = load_model(finished / "results/tiny/train/model.pt")
    assert topk.model_sha256 == model.sha256()
    for layer in LAYERS:
        with open_reconstruction(finished / f"results/tiny/reconstruct/{layer}.h5") as reconstruction:
            assert reconstruction.model_sha256 == model.sha256()


def test_a_new_setting_ends_in_new_figures_alone(place):
    kept = {path: path.read_bytes() for path in (place / "results/tiny").glob("*/*.h5")}
    old = {layer: (place / f"results/tiny/figure/{layer}.png").read_bytes() for layer in LAYERS}
    place.set(figure={"dpi": 90})
    output = place.make()
    assert "3 of 4 steps" in output
    assert all(path.read_bytes() == content for path, content in kept.items())
    assert all((place / f"results/tiny/figure/{layer}.png").read_bytes() != old[layer] for layer in LAYERS)
    assert place.would_run() == {}
    (place / "results/tiny/figure/conv1.png").unlink()
    place.set(figure={"dpi": 60})
    place.make()
    assert {layer: (place / f"results/tiny/figure/{layer}.png").read_bytes() for layer in LAYERS} == old


def test_a_failing_job_says_why_once_and_leaves_its_report(fresh):
    broken = fresh / "images/val/rocket/broken.jpg"
    Image.open(fresh / "images/val/rocket/00.png").save(broken)
    broken.write_bytes(broken.read_bytes()[:-300])
    output = fresh.make(status=1)
    (sentence,) = [line for line in output.splitlines() if "error:" in line]
    assert sentence.startswith("zfpipe check: error: images")
    assert "truncated: val/rocket/broken.jpg" in sentence
    assert "Traceback" not in output
    report = "results/data/small/log/check-report.html"
    assert report in sentence
    assert "broken.jpg" in (fresh / report).read_text()
    assert not list((fresh / "results/data/small/check").glob("*"))

    fresh.set(check={"leave_out": ["truncated"]})
    fresh.make("results/data/small/check/manifest.csv")
    assert "broken.jpg" not in (fresh / "results/data/small/check/manifest.csv").read_text()
    assert (fresh / "results/data/small/check/report.html").is_file()


def _said(output: str) -> list[str]:
    return [line for line in output.splitlines() if line and not line.startswith(SAID_BY_SNAKEMAKE)]


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"mine": {"kk": 3}}, "config: mine.kk is no key (did you mean 'k'?)"),
        ({"runs": {2024: {}}}, "config: runs has the key 2024"),
        ({"runs": {"data": {}}}, "config: runs may not have the name 'data': results/data"),
        ({"datasets": {"small": {"source": "folder", "root": "imges"}}}, "config: datasets.small.root is 'imges'"),
        ({"view": {"images": {"cat": "cat.png"}}}, "config: runs.tiny: view.images.cat is 'cat.png'"),
    ],
)
def test_a_mistake_in_the_config_is_one_sentence(fresh, section, words):
    fresh.config |= section
    said = _said(fresh.snakemake("-n", status=1))
    assert len(said) == 1
    assert said[0].startswith(words)


@pytest.mark.parametrize("place", ["results", "results/data", "results/tiny", "results/tiny/figure"])
def test_a_file_in_the_place_of_a_folder_is_one_sentence(fresh, place):
    (fresh / place).parent.mkdir(parents=True, exist_ok=True)
    (fresh / place).write_text("")
    (said,) = _said(fresh.snakemake("-n", status=1))
    assert said == f"{place} is no folder, and files are to be written into it; move it out of the way."


def test_a_list_of_layers_may_lie_beside_the_folders_of_stages(fresh):
    (fresh / "results/tiny").mkdir(parents=True)
    (fresh / "results/tiny/layers").write_text("what `zfpipe layers` printed")
    assert "no folder" not in fresh.snakemake("-n")


def test_a_dry_run_takes_no_torch(fresh):
    """Importing it takes seconds; a dry run of our own networks does without."""
    fresh.command()
    code = (
        "import sys; from snakemake.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as end:\n    print('torch' in sys.modules, end.code)\n"
    )
    command = [sys.executable, "-c", code, *fresh.command("-n")[3:]]
    done = subprocess.run(command, cwd=fresh.folder, env=fresh.environment(), capture_output=True, text=True)
    assert done.stdout.strip().splitlines()[-1] == "False 0", done.stderr


@pytest.mark.parametrize("preset", ["folder", "paper"])
def test_a_preset_asks_for_its_folder_and_then_plans_the_whole_run(fresh, preset, pytestconfig):
    fresh.config = yaml.safe_load((pytestconfig.rootpath / f"presets/{preset}.yaml").read_text())
    (dataset,) = fresh.config["datasets"].values()
    shutil.move(fresh / "images", fresh / "moved")
    (said,) = _said(fresh.snakemake("-n", status=1))
    assert "there is no such folder" in said
    dataset["root"] = "moved"
    jobs = fresh.would_run()
    assert {"check", "pack", "train", "mine", "merge", "reconstruct", "figure"} <= set(jobs)
    assert jobs["figure"] == 5


def test_the_report_is_one_file_that_needs_no_network(place):
    place.snakemake("--report", "report.html")
    text = (place / "report.html").read_text()
    for words in ("projected back to pixels", "What was found in the images", "Training of the run", "a row an epoch"):
        assert words in text
    assert "results/tiny/gallery/index.html" in text
    assert (place / "results/tiny/gallery/index.html").is_file()


def test_lint_and_format_are_clean(finished):
    assert "good condition" in finished.snakemake("--lint")
    subprocess.run(
        [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "workflow"], cwd=finished.code, check=True
    )
