"""kill -9 in the middle of training: of the job, of snakemake, of both. The plain command then finishes the work."""

import os
import shutil
import signal
import subprocess
import time

import psutil
import pytest
import torch

from zfpipe.files import checkpoint

MODEL = "results/tiny/train/model.pt"
EPOCHS = 40
SECONDS = 120


@pytest.fixture
def untrained(place):
    """A place where training has not begun, and takes long enough to be killed."""
    shutil.rmtree(place / "results/tiny")
    place.set(train={"epochs": EPOCHS})
    return place


@pytest.fixture(scope="module")
def unbroken(finished, tmp_path_factory):
    """The weights of the same training, left alone."""
    place = type(finished)(tmp_path_factory.mktemp("unbroken") / "copy", dict(finished.config), finished.code)
    shutil.copytree(finished.folder, place.folder)
    shutil.rmtree(place / "results/tiny")
    place.set(train={"epochs": EPOCHS})
    place.make(MODEL)
    return _weights(place)


def _weights(place):
    return checkpoint.load(place / MODEL, "model")["state_dict"]


def _same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def _begun(place):
    """Start snakemake; return its process and its training's, once two epochs are saved."""
    process = subprocess.Popen(
        place.command("--cores", "2", MODEL),
        cwd=place.folder,
        env=place.environment(),
        stdout=(place / "killed.txt").open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    _wait_for(lambda: list((place / "results/tiny").glob("state/*/epoch-0002.pt")), process)
    (job,) = [child for child in psutil.Process(process.pid).children(recursive=True) if _is_training(child)]
    return process, job


def _is_training(process):
    words = process.cmdline()
    return "train" in words and "python" in words[0]


def _wait_for(condition, process=None):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        assert process is None or process.poll() is None
        time.sleep(0.005)


def _epochs(place):
    return len(list((place / "results/tiny").glob("state/*/epoch-*.pt")))


def test_a_killed_training_goes_on_from_its_newest_epoch(untrained, unbroken):
    process, job = _begun(untrained)
    job.kill()
    assert process.wait(SECONDS) == 1
    assert 2 <= _epochs(untrained) < EPOCHS
    assert not (untrained / MODEL).exists()
    assert f"holds {_epochs(untrained)} of {EPOCHS} epochs" in untrained.make(MODEL)
    assert _same(_weights(untrained), unbroken)


def test_after_a_kill_of_everything_snakemake_says_how_to_go_on(untrained, unbroken):
    process, _ = _begun(untrained)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert 2 <= _epochs(untrained) < EPOCHS
    assert "--unlock" in untrained.make(MODEL, status=1)
    untrained.snakemake("--unlock")
    assert f"of {EPOCHS} epochs" in untrained.make(MODEL)
    assert _same(_weights(untrained), unbroken)


def test_a_training_that_outlives_snakemake_is_no_second_writer(untrained, unbroken):
    process, job = _begun(untrained)
    process.kill()
    process.wait()
    assert job.is_running()
    untrained.snakemake("--unlock")
    untrained.make(MODEL)
    assert _same(_weights(untrained), unbroken)
    _wait_for(lambda: not job.is_running() or job.status() == psutil.STATUS_ZOMBIE)
    assert _same(_weights(untrained), unbroken)
    assert untrained.would_run(MODEL) == {}
