"""`zfpipe train --devices 2` on two CPU processes over gloo: the training that one process makes, and how it ends."""

import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest
from train_command import MODEL, checkpoints, command, pack, pack_both, refused, rows_of, train

PLAIN = MODEL | {"norm": "contrast"}
# Batches of 5 from 26 images: the shares are 3 and 2, and in the last step 1 and 0.
HOW = ["--batch-size", 5, "--crops", "random", "--brightness", 0.3, "--colour", 0.1, "--dropout", 0.5]
# Relative; what the order of a sum does to float32. Normalised over the one image of a last batch, it grows.
CLOSE = {"contrast": 1e-5, "batch": 5e-4}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder with train.h5 and val.h5."""
    return pack_both(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    """Return the metrics of three epochs in one process, by the kind of normalisation."""
    found = {}
    for norm in ("contrast", "batch"):
        out = tmp_path_factory.mktemp(norm)
        train(data, out, "--epochs", 3, *HOW, model=PLAIN | {"norm": norm})
        found[norm] = rows_of(out)
    return found


def assert_same_curve(rows, expected, close):
    assert len(rows) == len(expected)
    for row, other in zip(rows, expected, strict=True):
        for name in ("train_loss", "val_loss"):
            assert float(row[name]) == pytest.approx(float(other[name]), rel=close), (name, row["epoch"])
        for name in ("train_top1", "val_top1", "learning_rate", "filters_renormalised"):
            assert row[name] == other[name]


@pytest.mark.parametrize("norm", ["contrast", "batch"])
def test_two_processes_train_as_one_and_one_goes_on_where_two_ended(data, alone, norm, tmp_path, capfd):
    model = PLAIN | {"norm": norm}
    train(data, tmp_path, "--epochs", 2, "--devices", 2, *HOW, model=model)
    said = capfd.readouterr().err
    assert said.count("epoch 2/2: train loss") == 1  # one of them speaks
    assert "Warning" not in said
    assert_same_curve(rows_of(tmp_path), alone[norm][:2], CLOSE[norm])
    train(data, tmp_path, "--epochs", 3, *HOW, model=model)
    assert_same_curve(rows_of(tmp_path), alone[norm], CLOSE[norm])
    assert len(list((tmp_path / "state").iterdir())) == 1
    assert "epoch 2/3" not in capfd.readouterr().err


def test_the_processes_that_torchrun_started_are_taken(data, alone, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = command(data, tmp_path, "--epochs", 1, "--devices", 2, *HOW, model=PLAIN)
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    started = [
        subprocess.Popen([sys.executable, "-m", "zfpipe", *words], env=os.environ | shared | {"RANK": str(rank)})
        for rank in range(2)
    ]
    try:
        assert [process.wait(120) for process in started] == [0, 0]
    finally:
        for process in started:
            process.kill()
    assert_same_curve(rows_of(tmp_path), alone["contrast"][:1], CLOSE["contrast"])


@pytest.mark.parametrize("whom", ["a process", "the one that started them"])
def test_one_is_killed_and_all_end_and_the_next_run_goes_on(data, tmp_path, whom):
    words = command(data, tmp_path, "--epochs", 5000, "--devices", 2, model=PLAIN)
    process = subprocess.Popen([sys.executable, "-m", "zfpipe", *words], stderr=subprocess.PIPE, text=True)
    try:
        limit = time.monotonic() + 60
        while len(checkpoints(tmp_path)) < 2 and time.monotonic() < limit:
            time.sleep(0.05)
        family = psutil.Process(process.pid).children(recursive=True)
        members = [child for child in family if "spawn_main" in " ".join(child.cmdline())]
        assert len(members) == 2
        os.kill(members[1].pid if whom == "a process" else process.pid, signal.SIGKILL)
        said = process.communicate(timeout=60)[1]
        _, left = psutil.wait_procs(family, timeout=15)
        assert left == []
    finally:
        process.kill()
    if whom == "a process":
        assert process.returncode == 1
        assert "Traceback" not in said
        assert "Process 1 of the 2 that train was ended by SIGKILL" in said.strip().splitlines()[-1]
    made = len(checkpoints(tmp_path))
    assert made >= 2
    train(data, tmp_path, "--epochs", made + 1, model=PLAIN)
    assert checkpoints(tmp_path)[-1] == f"epoch-{made + 1:04d}.pt"
    assert len(list((tmp_path / "state").iterdir())) == 1


def test_an_image_that_one_process_finds_damaged_is_one_sentence(data, tmp_path, capfd):
    bytes_ = bytearray((data / "train.h5").read_bytes())
    bytes_[len(bytes_) // 2] ^= 1
    (tmp_path / "train.h5").write_bytes(bytes_)
    (tmp_path / "val.h5").write_bytes((data / "val.h5").read_bytes())
    options = ["--epochs", 2, "--devices", 2, "--memory", 0, "--mean", 100, "--std", 50]
    said = refused(capfd, tmp_path, tmp_path, *options, model=PLAIN)
    assert f"{tmp_path / 'train.h5'}" in said
    assert "images" in said


@pytest.mark.parametrize(
    ("options", "model", "words"),
    [
        (["--learning-rate", 1e30], PLAIN, "In epoch 1 the loss became"),
    ],
    ids=["diverged"],
)
def test_what_all_processes_refuse_is_one_sentence(data, tmp_path, capfd, options, model, words):
    assert words in refused(capfd, data, tmp_path, "--epochs", 2, "--devices", 2, *options, model=model)


@pytest.mark.parametrize("devices", [1, 2])
def test_a_last_image_whose_one_value_cannot_be_normalised_is_one_sentence(tmp_path, capfd, devices):
    pack(tmp_path / "train.h5", "train", 3)
    pack(tmp_path / "val.h5", "val", 2)
    model = {"name": "torchvision:resnet18", "input_size": 32}
    said = refused(capfd, tmp_path, tmp_path, "--epochs", 1, "--batch-size", 2, "--devices", devices, model=model)
    assert "maps of one pixel" in said
    assert "another train.batch_size" in said


@pytest.mark.parametrize(
    ("devices", "started", "words"),
    [
        (0, None, "train.devices is 0"),
        (200, None, "train.devices is 200, and this machine has"),
        (2, "3", "3 processes were started (WORLD_SIZE), and train.devices is 2"),
    ],
)
def test_a_wrong_number_of_devices_is_one_sentence(data, tmp_path, capsys, monkeypatch, devices, started, words):
    if started:
        monkeypatch.setenv("WORLD_SIZE", started)
        monkeypatch.setenv("RANK", "0")
    assert words in refused(capsys, data, tmp_path, "--epochs", 1, "--devices", devices)
