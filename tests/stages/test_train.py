"""`zfpipe train` as a command: what it writes, and how it goes on after a kill."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from train_command import MODEL, assert_same, checkpoints, command, pack, pack_both, rows_of, train

from zfpipe.__main__ import main
from zfpipe.nets.models import build, load_model
from zfpipe.nets.training import COLUMNS


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder with train.h5 and val.h5."""
    return pack_both(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def five(data, tmp_path_factory):
    """Return the folder of an uninterrupted training of five epochs."""
    out = tmp_path_factory.mktemp("five")
    train(data, out, "--epochs", 5, "--keep-epoch", 1, 3)
    return out


def test_it_writes_model_metrics_curves_and_the_epochs_asked_for(five):
    model = load_model(five / "model.pt")
    assert model.classes == ["r", "g", "b"]
    assert model.mean.shape == (3, 48, 48)
    assert model.packed_size == (52, 52)
    rows = rows_of(five)
    assert list(rows[0]) == COLUMNS
    assert [row["epoch"] for row in rows] == list("12345")
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    assert (five / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in five.glob("epoch-*")) == ["epoch-0001.pt", "epoch-0003.pt"]
    assert checkpoints(five) == [f"epoch-000{epoch}.pt" for epoch in range(1, 6)]


def test_the_mean_is_the_centre_of_the_mean_image(data, five):
    import h5py

    with h5py.File(data / "train.h5") as file:
        expected = file["images"][...].astype(float).mean(0)[2:50, 2:50].transpose(2, 0, 1)
    assert np.allclose(load_model(five / "model.pt").mean.numpy(), expected, rtol=1e-6)


def test_an_epoch_handed_out_is_the_training_that_ended_there(data, five, tmp_path):
    train(data, tmp_path, "--epochs", 3)
    assert (tmp_path / "model.pt").read_bytes() == (five / "epoch-0003.pt").read_bytes()


def test_epochs_can_be_handed_out_later_and_elsewhere(data, five, tmp_path, capsys):
    options = ["--epochs", 5, "--keep-epoch", 2, 5, "--out-epochs", tmp_path / "epochs"]
    train(data, tmp_path, *options, state=five / "state")
    assert "train loss" not in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "epochs").iterdir()) == ["epoch-0002.pt", "epoch-0005.pt"]
    assert (tmp_path / "epochs" / "epoch-0005.pt").read_bytes() == (five / "model.pt").read_bytes()


def test_two_trainings_are_the_same_to_the_bit(data, five, tmp_path):
    train(data, tmp_path, "--epochs", 5)
    assert_same(tmp_path, five)


def test_images_read_from_the_file_give_the_same_weights(data, five, tmp_path):
    train(data, tmp_path, "--epochs", 5, "--memory", 0)
    assert_same(tmp_path, five)


def test_three_epochs_then_five_train_two_more(data, five, tmp_path, capsys):
    train(data, tmp_path, "--epochs", 3)
    capsys.readouterr()
    train(data, tmp_path, "--epochs", 5)
    said = capsys.readouterr().err
    assert "epoch 4/5: train loss" in said
    assert "epoch 3/5" not in said
    assert_same(tmp_path, five)


def test_five_epochs_then_three_take_the_third(data, five, tmp_path, capsys):
    train(data, tmp_path, "--epochs", 3, state=five / "state")
    assert "train loss" not in capsys.readouterr().err
    assert (tmp_path / "model.pt").read_bytes() == (five / "epoch-0003.pt").read_bytes()
    assert rows_of(tmp_path) == rows_of(five)[:3]
    assert checkpoints(five) == [f"epoch-000{epoch}.pt" for epoch in range(1, 6)]


def test_outputs_that_were_lost_are_written_again_without_training(data, five, tmp_path, capsys):
    train(data, tmp_path, "--epochs", 5, state=five / "state")
    assert "train loss" not in capsys.readouterr().err
    for name in ("model.pt", "metrics.csv", "curves.png"):
        assert (tmp_path / name).read_bytes() == (five / name).read_bytes()


@pytest.mark.parametrize("epoch", [1, 3])
def test_killed_while_training_it_goes_on_and_ends_the_same(data, five, tmp_path, epoch):
    words = command(data, tmp_path, "--epochs", 5)
    process = subprocess.Popen([sys.executable, "-c", SLOWLY, *words], stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 60
    while len(checkpoints(tmp_path)) < epoch and time.monotonic() < limit:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert epoch <= len(checkpoints(tmp_path)) < 5
    assert not (tmp_path / "model.pt").exists()
    train(data, tmp_path, "--epochs", 5)
    assert_same(tmp_path, five)
    assert not list(tmp_path.rglob("*.partial"))


# A training whose steps take a while, so that the kill falls into one.
SLOWLY = """
import sys, time
from zfpipe.nets import steps
step = steps._step
steps._step = lambda *a: (time.sleep(0.05), step(*a))[1]
from zfpipe.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(data, five, tmp_path, capsys):
    train(data, tmp_path, "--epochs", 4)
    newest = next((tmp_path / "state").glob("*/epoch-0004.pt"))
    newest.write_bytes(newest.read_bytes()[:1000])
    capsys.readouterr()
    train(data, tmp_path, "--epochs", 5)
    said = capsys.readouterr().err
    assert "epoch-0004.pt" in said
    assert "epoch 4/5: train loss" in said
    assert "epoch 3/5: train loss" not in said
    assert_same(tmp_path, five)


@pytest.mark.parametrize(
    "options",
    [
        ["--seed", "1"],
        ["--learning-rate", "0.02"],
        ["--batch-size", "9"],
        ["--crops", "random"],
        ["--rotation", "5"],
        ["--mean", "channel"],
        ["--std", "50"],
        ["--filter-radius", "0"],
        ["--dropout", "0.4"],
        ["--initialisation", "paper"],
        ["--schedule", "constant"],
        ["--weight-decay", "0.1"],
    ],
    ids=lambda options: options[0],
)
def test_whatever_defines_the_weights_makes_another_training(data, five, options):
    words = command(data, five, "--epochs", 1, *options, state=five / "other")
    key = run_for_key(words, five / "other")
    assert key != next((five / "state").iterdir()).name


def run_for_key(words, state):
    before = set(state.iterdir()) if state.exists() else set()
    assert main(words) == 0
    (key,) = set(state.iterdir()) - before
    return key.name


def test_other_data_makes_another_training_and_another_device_name_does_not(data, five, tmp_path):
    pack(tmp_path / "train.h5", "train", 26, seed=5)
    pack(tmp_path / "val.h5", "val", 9, seed=1)
    other = run_for_key(command(tmp_path, tmp_path, "--epochs", 1), tmp_path / "state")
    same = run_for_key(command(data, tmp_path, "--epochs", 1, "--lock-timeout", 3), tmp_path / "state")
    assert other != same == next((five / "state").iterdir()).name


def test_cosine_depends_on_the_number_of_epochs(data, tmp_path):
    for epochs in (1, 2):
        train(data, tmp_path, "--epochs", epochs, "--schedule", "cosine")
    assert len(list((tmp_path / "state").iterdir())) == 2


def test_given_weights_are_taken_as_they_are(data, tmp_path):
    network = build(MODEL, 3)
    torch.save(network.state_dict(), tmp_path / "given.pt")
    numbers = ["--mean", "123.675", "116.28", "103.53", "--std", "58.395", "57.12", "57.375"]
    spec = MODEL | {"weights": str(tmp_path / "given.pt")}
    train(data, tmp_path, "--epochs", 0, *numbers, model=spec, train=False)
    model = load_model(tmp_path / "model.pt")
    for key, value in network.state_dict().items():
        assert torch.equal(model.network.state_dict()[key], value)
    assert model.mean.flatten().tolist() == pytest.approx([123.675, 116.28, 103.53])
    assert model.classes == ["r", "g", "b"]
    (row,) = rows_of(tmp_path)
    assert row["epoch"] == "0"
    assert row["train_loss"] == ""
    assert float(row["val_loss"]) > 0
    assert not (tmp_path / "state").exists()


def test_given_weights_of_other_classes_keep_their_own_outputs(data, tmp_path):
    torch.save(build(MODEL, 7).state_dict(), tmp_path / "given.pt")
    spec = MODEL | {"weights": str(tmp_path / "given.pt")}
    train(data, tmp_path, "--epochs", 0, "--mean", "110", "--std", "60", model=spec, train=False)
    assert load_model(tmp_path / "model.pt").classes == [f"class-000{number}" for number in range(7)]
    assert rows_of(tmp_path) == []  # nothing to compare with the data set's classes


def test_a_model_of_zfpipe_brings_its_own_preprocessing(data, five, tmp_path):
    spec = MODEL | {"weights": str(five / "model.pt")}
    train(data, tmp_path, "--epochs", 0, model=spec, train=False)
    taken, trained = load_model(tmp_path / "model.pt"), load_model(five / "model.pt")
    assert taken.sha256() == trained.sha256()
    (row,) = rows_of(tmp_path)
    assert row["val_loss"] == rows_of(five)[-1]["val_loss"]


@pytest.mark.parametrize("weights", ["random", "given"])
def test_curves_without_metrics_say_whose_weights_they_are(data, tmp_path, monkeypatch, weights):
    torch.save(build(MODEL, 3).state_dict(), tmp_path / "given.pt")
    said = []
    monkeypatch.setattr("zfpipe.stages.train.draw_curves", lambda path, rows, title, without: said.append(without))
    spec = MODEL | {"weights": "random" if weights == "random" else str(tmp_path / "given.pt")}
    train(data, tmp_path, "--epochs", 0, model=spec)
    assert said == [f"the weights {'are random' if weights == 'random' else 'were given as they are'}"]


def test_a_random_network_is_a_control_that_the_seed_decides(data, tmp_path):
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        train(data, tmp_path / name, "--epochs", 0, "--seed", seed, model=MODEL | {"weights": "random"})
    one, two, three = ((tmp_path / name / "model.pt").read_bytes() for name in ("one", "two", "three"))
    assert one == two != three


def test_fine_tuning_starts_from_the_given_weights(data, five, tmp_path):
    spec = MODEL | {"weights": str(five / "model.pt")}
    train(data, tmp_path, "--epochs", 1, "--learning-rate", 1e-12, "--filter-radius", 0, model=spec)
    given, tuned = (load_model(folder / "model.pt").network.conv3.conv.weight for folder in (five, tmp_path))
    assert torch.allclose(given, tuned)


def test_fine_tuning_for_other_classes_starts_the_outputs_fresh(data, tmp_path, capsys):
    given = build(MODEL, 7)
    torch.save(given.state_dict(), tmp_path / "given.pt")
    spec = MODEL | {"weights": str(tmp_path / "given.pt")}
    train(data, tmp_path, "--epochs", 1, "--learning-rate", 1e-12, "--filter-radius", 0, model=spec)
    assert "fc8.weight, fc8.bias start fresh" in capsys.readouterr().err
    tuned = load_model(tmp_path / "model.pt").network
    assert tuned.fc8.weight.shape[0] == 3
    assert torch.allclose(tuned.conv1.conv.weight, given.conv1.conv.weight)


def test_a_batch_larger_than_the_set_is_one_step(data, tmp_path):
    train(data, tmp_path, "--epochs", 1, "--batch-size", 1000)
    assert float(rows_of(tmp_path)[0]["train_loss"]) > 0


def test_torchvision_networks_train_too(data, tmp_path):
    model = {"name": "torchvision:squeezenet1_1", "input_size": 40}
    train(data, tmp_path, "--epochs", 1, "--initialisation", "framework", model=model)
    assert load_model(tmp_path / "model.pt").spec == model
