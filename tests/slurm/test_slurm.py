"""The workflow on a real Slurm: the results of the local run, whatever happens to its jobs or to snakemake."""

import os
import shutil
import signal
import subprocess

import pytest
import torch
import yaml
from sent import Sent, jobs, to_slurm
from small_workflow import CONFIG

from zfpipe.files import checkpoint

pytestmark = pytest.mark.slurm

MODEL = "results/tiny/train/model.pt"
EPOCHS = 40
TIMED = ("log", "state")  # folders with clock times in their files; so has metrics.csv
# With two snakemakes that import torch, a shard's job takes 3.6 GB.
HEAVY = '''
"""A network that holds 2 GB while it is mined."""
import sys

import torch
from torch import nn


BALLAST = torch.ones(2_000_000_000, dtype=torch.uint8) if sys.argv[1:2] == ["mine"] else None


class Heavy(nn.Sequential):
    pass


def network():
    return Heavy(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 52 * 52, 4))
'''


def results(place) -> dict[str, bytes]:
    root = place / "results"
    paths = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    kept = [path for path in paths if path.name != "metrics.csv" and not set(TIMED) & set(path.parts)]
    return {str(path): (root / path).read_bytes() for path in kept}


@pytest.fixture(scope="module")
def whole(slurm, finished, tmp_path_factory):
    """The whole workflow on its way; the other tests run meanwhile, and the last one looks at what came."""
    place = type(finished)(tmp_path_factory.mktemp("whole") / "whole", yaml.safe_load(CONFIG), finished.code)
    shutil.copytree(finished / "images", place / "images")
    sent = Sent(place)
    yield place, sent
    if sent.process.poll() is None:
        os.killpg(sent.process.pid, signal.SIGKILL)


def test_a_job_is_cancelled_while_it_runs(slurm, whole):
    _, sent = whole
    (training,) = sent.until(lambda: [job for job in sent.jobs("train") if job["state"] == "RUNNING"])
    subprocess.run(["scancel", training["id"]], check=True)


def test_a_job_that_is_killed_over_its_memory_succeeds_with_more(slurm, place):
    (place / "heavy.py").write_text(HEAVY)
    model = {"name": "heavy:network", "input_size": 56, "weights": "random"}
    place.config["view"] = {}
    place.config["runs"] = {"heavy": {"dataset": "small", "model": model, "layers": "all", "train": {"epochs": 0}}}
    place.config["mine"]["shards"] = 1
    place.make("results/heavy/train/model.pt")
    shard = "results/heavy/mine/shard-1-of-1.h5"
    said = place.snakemake(*to_slurm(place, shard, mem_mb={"mine": 2400}))
    assert (place / shard).exists()
    first, second = jobs(said, "mine")
    assert (first["memory"], second["memory"]) == ("2400M", "4800M")
    assert first["state"] in ("FAILED", "OUT_OF_MEMORY")
    assert second["state"] == "COMPLETED"
    (log,) = (place / ".snakemake/slurm_logs/rule_mine").rglob(f"{first['id']}.log")
    assert "exceeded memory limit" in log.read_text()


def test_after_a_kill_of_snakemake_the_plain_command_goes_on_and_trains_no_epoch_twice(slurm, place):
    shutil.rmtree(place / "results/tiny")
    place.set(train={"epochs": EPOCHS})
    unbroken = type(place)(place / "unbroken", dict(place.config), place.code)
    shutil.copytree(place.folder, unbroken.folder, ignore=shutil.ignore_patterns("unbroken"))
    killed = Sent(place, MODEL)
    killed.until(lambda: list((place / "results/tiny").glob("state/*/epoch-0002.pt")))
    os.killpg(killed.process.pid, signal.SIGKILL)
    killed.process.wait()
    assert [job["state"] for job in killed.jobs()] == ["RUNNING"]  # Slurm knows nothing of it
    assert "--unlock" in place.snakemake(*to_slurm(place, MODEL), status=1)
    place.snakemake("--unlock")
    said = place.snakemake(*to_slurm(place, MODEL))
    assert [job["state"] for job in [*killed.jobs(), *jobs(said)]] == ["COMPLETED", "COMPLETED"]
    assert "epoch 3/" not in (place / "results/tiny/log/train.log").read_text()
    unbroken.make(MODEL)
    weights, expected = (checkpoint.load(one / MODEL, "model")["state_dict"] for one in (place, unbroken))
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[key], expected[key]) for key in expected)


def test_a_gpu_and_its_partition_are_asked_for(slurm, place):
    place.config["device"] = "cuda"
    (place / MODEL).unlink()  # another device alone is no reason to train
    said = place.snakemake(*to_slurm(place, "--retries", "0", MODEL, gpu={"partition": "gpus"}), status=1)
    (job,) = jobs(said)
    assert job["rule"] == "train"
    assert "gpu:1" in job["gpus"]
    assert job["partition"] == "gpus"
    assert "device is 'cuda', which this machine does not have" in said  # the pretended GPU is none


def test_the_whole_workflow_gives_the_local_bytes_although_a_job_was_cancelled(slurm, whole, finished):
    place, sent = whole
    sent.finish()
    assert results(place) == results(finished)
    assert [job["state"] for job in sent.jobs("train")] == ["CANCELLED", "COMPLETED"]
    assert {job["rule"] for job in sent.jobs()} == {"check", "pack", "train", "mine", "reconstruct"}  # the rest: here
    assert not [job for job in sent.jobs() if job["gpus"]]
    assert {job["partition"] for job in sent.jobs()} == {"short"}
    first, second = sent.jobs("mine")
    assert max(first["start"], second["start"]) < min(first["end"], second["end"])  # side by side
