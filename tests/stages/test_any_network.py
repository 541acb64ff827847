"""All stages, from images to pictures, for networks and images that are not RGB squares through a network of ours."""

import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import nn

from zfpipe.__main__ import main
from zfpipe.files.reconstruction import open_reconstruction
from zfpipe.nets import deconvnet
from zfpipe.nets.layers import layers
from zfpipe.nets.models import build, load_model
from zfpipe.nets.trace import trace

NETS = """
from torch import nn


def build(channels=3, outputs=2):
    return nn.Sequential(
        nn.Conv2d(channels, 6, 5, stride=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 5, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, outputs),
    )
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a module nets_beside_config.py."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "nets_beside_config", raising=False)  # another test's
    (tmp_path / "nets_beside_config.py").write_text(NETS)
    return tmp_path


def pixels(number, channels):
    picture = (data.astronaut(), data.chelsea())[number % 2][10 * number :, 17 * number :][:70, :90]
    whole = np.concatenate([picture, picture[::-1, :, ::-1], 255 - picture], axis=2)
    return np.ascontiguousarray(whole[..., :channels])


def image_folder(here, channels, count=6):
    for number in range(count):
        for split in ("train", "val"):
            folder = here / "images" / split / "ab"[number % 2]
            folder.mkdir(parents=True, exist_ok=True)
            array = pixels(number + 10 * (split == "val"), channels)
            if channels in (1, 3):
                Image.fromarray(array.squeeze()).save(folder / f"{number}.png")
            else:
                np.save(folder / f"{number}.npy", array)


def run(*words):
    assert main([str(word) for word in words]) == 0


def packed(channels, size):
    checking = ["--root", "images", "--channels", channels, "--out-manifest", "m.csv"]
    run("check", *checking, "--out-html", "r.html", "--out-json", "r.json")
    for split in ("train", "val"):
        packing = ["--manifest", "m.csv", "--root", "images", "--split", split, "--channels", channels, "--size", size]
        run("pack", *packing, "--out", f"{split}.h5")


def through(model, layer, *options):
    """Train (or take), mine, merge, reconstruct, figure and view; the model and the reconstruction stand here then."""
    train = ["--train", "train.h5", "--val", "val.h5", "--model", json.dumps(model), "--state", "state", *options]
    run("train", *train, *["--out-model", "model.pt", "--out-metrics", "m.csv", "--out-curves", "c.png"])
    run("mine", *f"--model model.pt --images val.h5 --layers {layer} --k 2 --out shard.h5".split())
    run("merge", *["--shards", "shard.h5", "--out", "topk.h5"])
    made_from = f"--model model.pt --images val.h5 --topk topk.h5 --layer {layer}"
    run("reconstruct", *f"{made_from} --out {layer}.h5".split())
    run("figure", *f"--reconstruction {layer}.h5 --topk topk.h5 --out-png f.png --dpi 40 --count 2".split())


@pytest.mark.parametrize(
    ("channels", "name", "layer"),
    [(1, "zfnet", "conv2"), (2, "yours", "4"), (5, "yours", "1")],
)
def test_any_channels_and_a_non_square_input_go_through_all_stages(here, channels, name, layer):
    image_folder(here, channels)
    packed(channels, "56x72")
    model = {"name": "zfnet", "width": 0.05, "norm": "batch", "input_size": [50, 64]}
    if name == "yours":
        model = {"name": "nets_beside_config:build", "args": {"channels": channels}, "input_size": [50, 64]}
    through(
        model, layer, *["--epochs", "1", "--batch-size", "4", "--mean", "pixel", "--std", "channel", "--rotation", "10"]
    )
    read = load_model("model.pt")
    assert (read.channels, read.input_size, read.packed_size) == (channels, (50, 64), (56, 72))
    assert read.mean.shape == (channels, 50, 64)
    with open_reconstruction(f"{layer}.h5") as found:
        assert found.channels_of_image == channels
        assert found.input_size == (50, 64)
        unit, rank = np.argwhere(found.present)[0]
        top, left, bottom, right = found.box[unit, rank]
        patch, projection = found.patch(unit)[rank], found.projection(unit)[rank]
        entry = found.image_index[unit, rank], found.row[unit, rank], found.col[unit, rank], int(found.unit[unit])
    # The patch is that part of the image; the projection is what the full frame gives there.
    from zfpipe.data.decode import centre_crop
    from zfpipe.data.packed import open_packed

    with open_packed("val.h5") as split:
        image = np.ascontiguousarray(centre_crop(split.read_rows([int(entry[0])]), (50, 64)))
    traced = trace(read.network, (50, 64), channels)
    frame = read.normalise(torch.from_numpy(image).permute(0, 3, 1, 2))
    maps, project = deconvnet.forward(traced, frame, layers(traced)[layer].step)
    place = [torch.tensor([int(value)]) for value in (entry[3], entry[1], entry[2])]
    full = project(deconvnet.seed(maps, *place))[0].permute(1, 2, 0).numpy()
    rows, cols = slice(max(top, 0), min(bottom, 50)), slice(max(left, 0), min(right, 64))
    inside = slice(rows.start - top, rows.stop - top), slice(cols.start - left, cols.stop - left)
    assert np.array_equal(patch[inside], image[0, rows, cols])
    assert np.allclose(projection[inside], full[rows, cols], atol=1e-5 * np.abs(full).max())
    picture = next((here / "images" / "val" / "a").iterdir())
    run("view", *f"--model model.pt --image {picture} --layer {layer} --out v.png --count 2".split())


def test_a_bgr_network_looks_like_its_rgb_twin(here):
    """The same network with its first filters' channels the other way round, told so, projects the same colours."""
    image_folder(here, 3)
    packed(3, "56")
    torch.manual_seed(0)
    spec = {"name": "zfnet", "width": 0.05, "norm": "batch", "input_size": 50}
    weights = build(spec, 2).state_dict()
    prepare = {"mean": [123.0, 116.0, 104.0], "std": [60.0, 50.0, 40.0], "channel_order": "RGB"}
    found = {}
    for kind in ("RGB", "BGR"):
        given = dict(weights)
        if kind == "BGR":
            given["conv1.conv.weight"] = weights["conv1.conv.weight"].flip(1)
            prepare = {"mean": [104.0, 116.0, 123.0], "std": [40.0, 50.0, 60.0], "channel_order": "BGR"}
        torch.save(given, "given.pt")
        through(spec | {"weights": "given.pt"}, "conv1", "--epochs", 0, "--preprocess", json.dumps(prepare))
        with open_reconstruction("conv1.h5") as read:
            found[kind] = np.stack([read.projection(row) for row in range(len(read.unit))]), read.filters
            rows = (here / "m.csv").read_text()
    assert "nan" not in rows
    for mine, theirs in zip(found["BGR"], found["RGB"], strict=True):
        assert np.abs(theirs - theirs[..., ::-1]).max() > 0.1 * np.abs(theirs).max()  # else any order would pass
        assert np.allclose(mine, theirs, atol=1e-5 * np.abs(theirs).max())


def refused(capsys, *options, model):
    words = ["train", "--train", "train.h5", "--val", "val.h5", "--model", json.dumps(model), "--state", "state"]
    words += [*["--out-model", "x.pt", "--out-metrics", "x.csv", "--out-curves", "x.png"], *map(str, options)]
    capsys.readouterr()
    assert main(words) == 1
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_what_does_not_go_together_is_one_sentence(here, capsys):
    image_folder(here, 3)
    packed(3, "56x72")
    torch.save(build({"name": "zfnet", "width": 0.05, "input_size": 50}, 2).state_dict(), "given.pt")
    given = {"name": "zfnet", "width": 0.05, "input_size": 50, "weights": "given.pt"}
    both = ["--epochs", 0, "--preprocess", '{"mean": [1, 2, 3]}', "--mean", 5]
    assert "train.mean is 5 and the weights' own preprocessing has 1 2 3" in refused(capsys, *both, model=given)
    alone = ["--epochs", 1, "--preprocess", '{"mean": 3}']
    said = refused(capsys, *alone, model={"name": "zfnet", "input_size": 50})
    assert "preprocess goes with given weights" in said
    yours = {"name": "nets_beside_config:build", "input_size": [50, 64], "args": {"outputs": 5}}
    assert "has 5 outputs, and the data set 2 classes" in refused(capsys, "--epochs", 1, model=yours)
    large = {"name": "zfnet", "width": 0.05, "input_size": [60, 64]}
    assert "images are 56x72 px and model.input_size is 60x64" in refused(capsys, "--epochs", 1, model=large)


def test_weights_of_a_network_of_your_own_in_a_lightning_checkpoint(here):
    image_folder(here, 3)
    packed(3, "56")
    import nets_beside_config

    torch.manual_seed(1)
    network = nets_beside_config.build(outputs=7)
    wrapped = nn.ModuleDict({"model": network, "metric": nn.Linear(1, 1)})
    torch.save({"epoch": 3, "state_dict": wrapped.state_dict(), "hyper_parameters": {"lr": 0.1}}, "given.ckpt")
    spec = {"name": "nets_beside_config:build", "args": {"outputs": 7}, "input_size": 50, "weights": "given.ckpt"}
    through(spec, "4", "--epochs", 0, "--mean", 110, "--std", 60)
    read = load_model("model.pt")
    assert torch.equal(read.network[0].weight, network[0].weight)
    assert read.classes == [f"class-{number:04d}" for number in range(7)]
