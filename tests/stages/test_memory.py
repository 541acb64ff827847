"""Out of memory: the stages whose answer does not depend on the batch go on with smaller ones, the others say so."""

import itertools
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small import model_file, packed_file
from train_command import pack_both, refused

from zfpipe.__main__ import main
from zfpipe.errors import UserError
from zfpipe.files.reconstruction import open_reconstruction
from zfpipe.files.topk import read_topk
from zfpipe.nets.memory import Fitting
from zfpipe.nets.models import Model

LAYERS = ["conv1", "conv2", "conv3"]
NOT_ENOUGH = "CUDA out of memory. Tried to allocate 2.00 GiB."


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    packed_file(folder / "val.h5")
    model_file(folder / "model.pt")
    assert main(mine(folder, "topk.h5")) == 0
    return folder


@pytest.fixture
def small_gpu(monkeypatch):
    """A function that lets convolutions of more than `most` images run out of memory, after `well` that do not."""

    def shrink(most, error=None, well=0):
        convolve, calls = F.conv2d, itertools.count()

        def limited(images, *others, **settings):
            if len(images) > most and next(calls) >= well:
                raise error or torch.OutOfMemoryError(NOT_ENOUGH)
            return convolve(images, *others, **settings)

        monkeypatch.setattr(F, "conv2d", limited)

    return shrink


def mine(folder, out, *options):
    words = ["mine", "--model", folder / "model.pt", "--images", folder / "val.h5", "--out", folder / out]
    return [str(word) for word in [*words, "--layers", *LAYERS, "--k", 4, "--threads", 1, "--device", "cpu", *options]]


def reconstruct(folder, out):
    words = ["reconstruct", "--model", folder / "model.pt", "--images", folder / "val.h5", "--layer", "conv2"]
    words += ["--topk", folder / "topk.h5", "--out", folder / out, "--threads", 1, "--device", "cpu"]
    return [str(word) for word in words]


@pytest.mark.parametrize("well", [0, 4])
def test_mining_halves_its_batch_and_finds_what_the_smaller_one_finds(made, small_gpu, capsys, well):
    assert main(mine(made, "of-2.h5", "--batch-size", 2)) == 0
    small_gpu(3, well=well)
    assert main(mine(made, "halved.h5", "--batch-size", 8)) == 0
    assert (made / "halved.h5").read_bytes() == (made / "of-2.h5").read_bytes()
    said = capsys.readouterr().err
    assert "mine: the GPU is out of memory; on with batches of 4." in said
    assert "mine: the GPU is out of memory; on with batches of 2." in said
    found, whole = (read_topk(made / name).layers for name in ("halved.h5", "topk.h5"))
    for layer in LAYERS:
        np.testing.assert_allclose(found[layer].activation, whole[layer].activation, rtol=1e-5, atol=1e-5)


def test_reconstructing_halves_its_batch_and_projects_the_same(made, small_gpu, capsys):
    assert main(reconstruct(made, "whole-conv2.h5")) == 0
    small_gpu(5)
    assert main(reconstruct(made, "halved-conv2.h5")) == 0
    sizes = re.findall(
        "reconstruct conv2: the GPU is out of memory; on with batches of ([0-9]+)", capsys.readouterr().err
    )
    assert 2 < int(sizes[-1]) <= 5
    with open_reconstruction(made / "whole-conv2.h5") as whole, open_reconstruction(made / "halved-conv2.h5") as halved:
        np.testing.assert_array_equal(halved.present, whole.present)
        for position in range(len(whole.unit)):
            np.testing.assert_array_equal(halved.patch(position), whole.patch(position))
            np.testing.assert_allclose(halved.projection(position), whole.projection(position), rtol=1e-3, atol=1e-6)


def test_a_part_of_a_batch_takes_the_memory_of_its_own_images_alone(made, monkeypatch):
    normalise = Model.normalise

    def limited(model, images, *others):
        if len(images) > 2:
            raise torch.OutOfMemoryError(NOT_ENOUGH)
        return normalise(model, images, *others)

    monkeypatch.setattr(Model, "normalise", limited)
    assert main([*reconstruct(made, "of-few-images.h5"), "--collide", "overwrite"]) == 0


def test_where_not_one_fits_a_sentence_says_so():
    def run(size):
        raise torch.OutOfMemoryError(NOT_ENOUGH)

    for fit in (lambda: Fitting("mine", 4).whole(run), lambda: Fitting("mine", 4).each(run, range(3))):
        with pytest.raises(UserError, match="mine: the GPU has no memory for a batch of one; take one with more"):
            fit()


def test_a_batch_is_halved_once_for_all_and_nothing_is_run_twice_or_left_out():
    fitting, done = Fitting("reconstruct", 8), []

    def run(part):
        if len(part) > 3:
            raise torch.OutOfMemoryError(NOT_ENOUGH)
        done.append(list(part))

    fitting.each(run, range(8))
    fitting.each(run, range(8, 13))
    assert done == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11], [12]]


def test_another_error_is_not_taken_for_one(made, small_gpu):
    small_gpu(3, RuntimeError("the sizes do not match"))
    with pytest.raises(RuntimeError, match="the sizes do not match"):
        main(mine(made, "none.h5", "--batch-size", 8))


def test_training_keeps_its_batch_and_says_what_would_help(tmp_path, small_gpu, capsys):
    data = pack_both(tmp_path)
    small_gpu(4)
    sentence = refused(capsys, data, tmp_path, "--epochs", "1")
    assert "the GPU has not enough memory for batches of 8 (train.batch_size); set train.batch_size lower" in sentence
    assert "out of memory; on with" not in sentence


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")], ids=str
)
def test_a_cpu_without_memory_is_one_sentence(made, small_gpu, capsys, error):
    small_gpu(3, error)
    assert main(mine(made, "none.h5", "--batch-size", 8)) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1] == (
        "zfpipe mine: error: the CPU has not enough memory for batches of 8 (mine.batch_size); set mine.batch_size "
        "lower or give the job more (on a cluster: cluster.mem_mb.mine)."
    )
