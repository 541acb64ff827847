"""Units through training, held to a search of everything with each epoch's weights in the plain network."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from train_command import MODEL, pack_both, train

sys.path.append(str(Path(__file__).parents[1] / "nets"))
from oracles import rectified_by_autograd

from zfpipe.__main__ import main
from zfpipe.data.packed import open_packed
from zfpipe.files.evolution import read_evolution
from zfpipe.nets.models import build, load_model
from zfpipe.stages.evolve import some_rows

LAYERS, EPOCHS = ("conv1", "conv3"), (1, 2, 4)
PLACES = {"conv1": 0, "conv3": 2}  # among the network's rectifications


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = pack_both(tmp_path_factory.mktemp("evolve"))
    train(folder, folder, "--epochs", 4, "--learning-rate", 0.1, "--schedule", "constant")
    return folder


@pytest.fixture(scope="module")
def found(made):
    assert evolve(made, made / "evolve.h5", "--units", 99, "--batch-size", 8) == 0
    return read_evolution(made / "evolve.h5")


def evolve(made, out, *options, state=None, layers=LAYERS):
    command = ["evolve", "--model", made / "model.pt", "--train", made / "train.h5", "--state", state or made / "state"]
    command += ["--layers", *layers, "--epochs", *EPOCHS, "--device", "cpu", "--threads", 1, "--out", out, *options]
    return main([str(word) for word in command])


def slowly(made, epoch, layer, unit, rows=slice(None)):
    """Return activation, image, place, and projection (H, W, 3) of the strongest: plain network, whole frames."""
    model = load_model(made / "model.pt")
    (path,) = (made / "state").glob(f"*/epoch-{epoch:04d}.pt")
    network = build(model.spec, 3).eval()
    network.load_state_dict(torch.load(path, weights_only=True)["content"]["weights"])
    with open_packed(made / "train.h5") as packed:
        pixels = packed.read(0, len(packed))[rows, 2:50, 2:50].astype(np.float32)
    inputs = (torch.from_numpy(pixels).permute(0, 3, 1, 2) - model.mean) / model.std
    images, outputs = rectified_by_autograd(network, inputs)
    maps = outputs[PLACES[layer]][:, unit]
    image, row, col = np.unravel_index(int(maps.argmax()), maps.shape)
    strongest = maps[image, row, col]
    (down,) = torch.autograd.grad(strongest, images, strongest.detach())
    return strongest.item(), image, row, col, down[image].permute(1, 2, 0).numpy()


def test_the_strongest_is_that_of_a_search_of_everything(made, found):
    changed = 0
    for name, layer in found.layers.items():
        boxes = layer.entries.boxes(found.input_size)
        for place, unit in enumerate(layer.unit):
            for column, epoch in enumerate(EPOCHS):
                activation, image, row, col, frame = slowly(made, epoch, name, unit)
                entry = [getattr(layer.entries, key)[place, column] for key in ("image_index", "row", "col")]
                if activation <= 0:
                    assert entry == [-1, -1, -1]
                    continue
                assert entry == [image, row, col]
                assert layer.label[place, column] == image % 3
                assert layer.entries.activation[place, column] == pytest.approx(activation, rel=1e-4)
                top, left, bottom, right = boxes[place, column]
                padded = np.pad(frame, [(100, 100), (100, 100), (0, 0)])
                cut = padded[top + 100 : bottom + 100, left + 100 : right + 100]
                assert np.allclose(layer.projection[place, column], cut, atol=1e-4 * np.abs(cut).max())
                changed += layer.changed[place, column]
    assert changed > 3


def test_patches_are_the_images_own_and_jumps_are_where_the_image_differs(made, found):
    with open_packed(made / "train.h5") as packed:
        frames = np.pad(packed.read(0, len(packed))[:, 2:50, 2:50], [(0, 0), (100, 100), (100, 100), (0, 0)])
    for layer in found.layers.values():
        boxes, index = layer.entries.boxes(found.input_size), layer.entries.image_index
        for place, column in np.argwhere(layer.entries.present):
            top, left, bottom, right = boxes[place, column] + 100
            assert np.array_equal(layer.patch[place, column], frames[index[place, column], top:bottom, left:right])
        wanted = [[e > 0 and -1 not in row[e - 1 : e + 1] and row[e] != row[e - 1] for e in range(3)] for row in index]
        assert layer.changed.tolist() == [[bool(jump) for jump in row] for row in wanted]


def test_the_same_bytes_whatever_the_batch_and_in_any_order(made, found, tmp_path):
    for number, options in enumerate((["--batch-size", 8], ["--memory", 0, "--batch-size", 8])):
        assert evolve(made, tmp_path / f"{number}.h5", "--units", 99, *options) == 0
        assert (tmp_path / f"{number}.h5").read_bytes() == (made / "evolve.h5").read_bytes()
    assert evolve(made, tmp_path / "b.h5", "--units", 99, "--batch-size", 5, "--epochs", 4, 2, 1) == 0
    other = read_evolution(tmp_path / "b.h5")
    for name, layer in found.layers.items():
        assert np.array_equal(other.layers[name].entries.image_index, layer.entries.image_index)
        assert np.allclose(other.layers[name].projection, layer.projection, atol=1e-5)


def test_some_images_alone_are_looked_at(made, tmp_path):
    assert evolve(made, tmp_path / "some.h5", "--images", 6, "--units", 3) == 0
    some = read_evolution(tmp_path / "some.h5")
    rows = some_rows(26, 6, 0)
    assert (some.images, some.looked_at, len(rows)) == (26, 6, 6)
    for name, layer in some.layers.items():
        for place, unit in enumerate(layer.unit):
            activation, image, row, col, _ = slowly(made, EPOCHS[-1], name, unit, rows)
            entry = [getattr(layer.entries, key)[place, -1] for key in ("image_index", "row", "col")]
            assert entry == [rows[image], row, col]
            assert layer.entries.activation[place, -1] == pytest.approx(activation, rel=1e-4)


def test_by_default_the_epochs_are_the_papers_and_the_last(made, tmp_path):
    words = ["evolve", "--model", made / "model.pt", "--train", made / "train.h5", "--state", made / "state"]
    assert main([str(word) for word in [*words, "--layers", "all", "--units", "1", "--out", tmp_path / "e.h5"]]) == 0
    found = read_evolution(tmp_path / "e.h5")
    assert found.epochs == [1, 2, 4]
    assert [name for name in found.layers if name.startswith("conv")] == ["conv1", "conv2", "conv3", "conv4", "conv5"]


def test_units_are_those_of_a_figure_with_the_same_seed(made, tmp_path):
    """Of those that are alive at the last epoch the ones with the least lots, which is how a figure chooses."""
    assert evolve(made, tmp_path / "few.h5", "--units", 4, "--seed", 3) == 0
    layer = read_evolution(tmp_path / "few.h5").layers["conv3"]
    alive = [unit for unit in range(layer.channels) if slowly(made, EPOCHS[-1], "conv3", unit)[0] > 0]
    order = sorted(alive, key=lambda unit: hashlib.sha256(f"3 {unit}".encode()).digest())
    assert len(alive) > 4
    assert layer.unit.tolist() == sorted(order[:4]) != alive[:4]


def refused(capsys, sentence, status):
    assert status == 1
    printed = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence in printed
    assert printed.startswith("zfpipe ")
    assert printed.endswith(".")


def test_epochs_that_are_gone_or_damaged_are_named(made, tmp_path, capsys):
    state, out = tmp_path / "state", tmp_path / "out.h5"
    shutil.copytree(made / "state", state)
    (folder,) = state.iterdir()
    (folder / "epoch-0002.pt").write_bytes((folder / "epoch-0002.pt").read_bytes()[:5000])
    refused(capsys, "epoch-0002.pt is", evolve(made, out, state=state))
    (folder / "epoch-0002.pt").unlink()
    refused(capsys, "lacks epoch 2; it holds 1, 3, 4: name some of these", evolve(made, out, state=state))
    shutil.copy(made / "model.pt", folder / "epoch-0002.pt")
    refused(capsys, "holds 'model'", evolve(made, out, state=state))
    shutil.rmtree(folder)
    refused(capsys, "holds no epoch of", evolve(made, out, state=state))
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--epochs", 5], "evolve.epochs names 5; the training of"),
        (["--layers", "conv9"], "no layer 'conv9' (did you mean"),
        (["--images", 27], "evolve.images is 27; the training split has 26"),
        (["--units", 0], "evolve.units is 0"),
        (["--train", "val.h5"], "is not what"),
        (["--train", "nowhere.h5"], "There is no file nowhere.h5"),
        (["--model", "train.h5"], "train.h5"),
    ],
)
def test_bad_options_end_in_one_sentence(made, tmp_path, capsys, options, sentence):
    options = [made / word if word in ("val.h5", "train.h5") else word for word in options]
    refused(capsys, sentence, evolve(made, tmp_path / "out.h5", *options))
    assert not list(tmp_path.iterdir())


def test_weights_that_were_taken_as_they_are_have_no_epochs(made, tmp_path, capsys):
    spec = json.dumps(MODEL | {"weights": "random"})
    words = ["train", "--val", made / "val.h5", "--model", spec, "--epochs", 0, "--mean", 0, "--device", "cpu"]
    words += ["--out-model", tmp_path / "model.pt", "--out-metrics", tmp_path / "m.csv", "--out-curves"]
    assert main([str(word) for word in [*words, tmp_path / "c.png"]]) == 0
    refused(capsys, "no training here made", evolve(made, tmp_path / "e.h5", "--model", tmp_path / "model.pt"))


def test_a_damaged_evolution_file_is_refused(made, found, tmp_path, capsys):
    path = tmp_path / "evolve.h5"
    for key, value in (("row", 99), ("image_index", 26), ("label", 3), ("unit", 99), ("activation", -1)):
        shutil.copy(made / "evolve.h5", path)
        with h5py.File(path, "r+") as file:
            file[f"layers/conv3/{key}"][0] = value
        words = ["filmstrip", "--evolution", path, "--layer", "conv3", "--out-png", tmp_path / "f.png"]
        refused(capsys, "delete the file and run again", main([str(word) for word in words]))
    path.write_bytes((made / "evolve.h5").read_bytes()[:-3000])
    refused(capsys, "evolve.h5", main([str(word) for word in words]))
