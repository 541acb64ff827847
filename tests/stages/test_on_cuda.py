"""The stages on a GPU: the CPU's answers to rounding, the same bytes each time, and trainings of several processes.

Skipped where there is no GPU. One is enough: NCCL is run by a team of one, and two processes share a GPU over gloo.
"""

import argparse
import warnings

import numpy as np
import pytest
import small
import torch
import torch.distributed as dist
from test_train_devices import HOW, PLAIN
from torch import nn
from train_command import MODEL, command, pack_both, rows_of, train

from zfpipe.__main__ import main
from zfpipe.files.reconstruction import open_reconstruction
from zfpipe.files.topk import read_topk
from zfpipe.nets import launch, team
from zfpipe.nets.contrast import Contrast
from zfpipe.nets.device import prepare_device
from zfpipe.nets.strongest import Strongest
from zfpipe.stages import train as stage

pytestmark = [pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")]
CLOSE = 1e-4  # relative: float32 on another device
ON_CUDA = ["--device", "cuda"]


@pytest.fixture(autouse=True)
def nothing_is_said_of_results_that_vary():
    """PyTorch warns where an operation may give another result the next time."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*deterministic.*")
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return the options that name a small model and a packed split."""
    folder = tmp_path_factory.mktemp("small")
    return [
        *("--model", small.model_file(folder / "model.pt", dead=[3])),
        *("--images", small.packed_file(folder / "val.h5", 40)),
    ]


def run(*words):
    assert main([str(word) for word in words]) == 0


def mined(files, out, *options, device="cuda"):
    run("mine", *files, "--layers", "all", "--out", out, "--batch-size", 8, "--device", device, *options)
    return read_topk(out)


def test_the_ranking_is_the_cpus_to_the_bit_with_many_ties():
    maps = torch.randint(-1, 4, (50, 30, 7, 5), generator=torch.Generator().manual_seed(0)).float()
    maps[:, 2] = 0
    found = {}
    for device in ("cpu", "cuda"):
        for layout in (torch.contiguous_format, torch.channels_last):
            kept = Strongest.empty(30, 9, device)
            for start in range(0, 50, 8):
                part = maps[start : start + 8].to(device, memory_format=layout)
                kept.add(part, np.arange(start, start + len(part)))
            found[device, layout] = [
                getattr(kept, name) for name in ("activation", "image_index", "row", "col", "histogram")
            ]
    first, *others = found.values()
    for other in others:
        assert all(np.array_equal(one, same) for one, same in zip(first, other, strict=True))


def test_contrast_normalisation_and_its_way_back_are_pytorchs():
    prepare_device("cuda", None)
    norm = nn.LocalResponseNorm(5, 1e-2, 0.75, 2.0)
    x = torch.randn(3, 12, 9, 7, dtype=torch.float64).relu()
    above = torch.randn_like(x)
    found = []
    for module, device in ((norm, "cpu"), (Contrast(norm), "cuda")):
        given = x.to(device, memory_format=torch.channels_last).requires_grad_()
        out = module(given)
        out.backward(above.to(device))
        found += [out.detach().cpu(), given.grad.cpu()]
    torch.testing.assert_close(found[0], found[2], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(found[1], found[3], rtol=1e-10, atol=1e-12)


def test_mining_finds_what_the_cpu_finds_and_the_same_bytes_each_time(files, tmp_path):
    expected, found = mined(files, tmp_path / "cpu.h5", device="cpu"), mined(files, tmp_path / "cuda.h5")
    for name, layer in expected.layers.items():
        np.testing.assert_allclose(found.layers[name].activation, layer.activation, rtol=CLOSE, atol=1e-5)
        assert (found.layers[name].image_index == layer.image_index).mean() > 0.98  # near ties may change places
    mined(files, tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "cuda.h5").read_bytes()


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_coarser_mining_ranks_nearly_alike_and_can_be_reconstructed(files, tmp_path, precision):
    fine, found = mined(files, tmp_path / "fine.h5"), mined(files, tmp_path / "topk.h5", "--precision", precision)
    assert found.precision == precision
    for name, layer in fine.layers.items():
        np.testing.assert_allclose(found.layers[name].activation, layer.activation, rtol=0.05, atol=0.05)
    run("reconstruct", *files, "--topk", tmp_path / "topk.h5", "--layer", "conv5", "--out", tmp_path / "r.h5", *ON_CUDA)


@pytest.mark.parametrize("layer", ["conv1", "conv3", "conv5", "fc6"])
@pytest.mark.parametrize("collide", ["add", "overwrite"])
def test_projections_are_the_cpus_and_the_same_bytes_each_time(files, tmp_path, layer, collide):
    mined(files, tmp_path / "topk.h5", device="cpu")
    for name, device in (("cpu", "cpu"), ("cuda", "cuda"), ("again", "cuda")):
        words = ["--topk", tmp_path / "topk.h5", "--layer", layer, "--collide", collide, "--device", device]
        run("reconstruct", *files, *words, "--out", tmp_path / f"{name}.h5")
    with open_reconstruction(tmp_path / "cpu.h5") as cpu, open_reconstruction(tmp_path / "cuda.h5") as cuda:
        pairs = [(cpu.projection(unit), cuda.projection(unit)) for unit in range(len(cpu.unit))]
        assert all(np.array_equal(cpu.patch(unit), cuda.patch(unit)) for unit in range(len(cpu.unit)))
    errors = np.array([np.linalg.norm(one - other) / norm for one, other in pairs if (norm := np.linalg.norm(one))])
    assert np.median(errors) < 1e-6
    assert (errors < CLOSE).mean() > 0.95  # a near tie below a pooling may go the other way
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "cuda.h5").read_bytes()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder with train.h5 and val.h5."""
    return pack_both(tmp_path_factory.mktemp("data"))


def trained(data, out, *options, model=PLAIN, device="cuda"):
    out.mkdir()
    train(data, out, "--epochs", 2, *HOW, "--dropout", 0, "--device", device, *options, model=model)
    return rows_of(out)


def assert_same_curve(rows, expected, close):
    for row, other in zip(rows, expected, strict=True):
        for name in ("train_loss", "val_loss"):
            assert float(row[name]) == pytest.approx(float(other[name]), rel=close), (name, row["epoch"])


@pytest.mark.parametrize("norm", ["contrast", "batch"])
def test_a_training_is_the_cpus_and_the_same_weights_each_time(data, tmp_path, norm):
    rows, cpu = (
        trained(data, tmp_path / device, model=MODEL | {"norm": norm}, device=device) for device in ("cuda", "cpu")
    )
    assert_same_curve(rows, cpu, 1e-3)
    trained(data, tmp_path / "again", model=MODEL | {"norm": norm})
    assert (tmp_path / "again" / "model.pt").read_bytes() == (tmp_path / "cuda" / "model.pt").read_bytes()


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_coarser_trainings_learn_alike(data, tmp_path, precision):
    fine = trained(data, tmp_path / "fine")
    coarse = trained(data, tmp_path / precision, "--precision", precision)
    assert [row["train_loss"] for row in coarse] != [row["train_loss"] for row in fine]
    assert_same_curve(coarse, fine, 0.05)


class Single(team.Team):
    """One process that meets, adds and averages as one of several."""

    @property
    def alone(self) -> bool:
        return False


def options_of(data, out, model):
    out.mkdir()
    words = command(data, out, "--epochs", 2, *HOW, "--dropout", 0, *ON_CUDA, model=model)
    parser = argparse.ArgumentParser()
    stage.add_arguments(parser)
    return parser.parse_args(words[1:])


@pytest.mark.parametrize("model", [PLAIN, MODEL], ids=["contrast", "batch"])
def test_nccl_and_shared_batch_normalisation_change_nothing(data, tmp_path, model):
    expected = trained(data, tmp_path / "alone", model=model)
    options = options_of(data, tmp_path / "team", model)
    try:
        stage._work(options, Single(), f"file://{tmp_path}/meeting")
        assert dist.get_backend() == "nccl"
    finally:
        dist.destroy_process_group()
    assert_same_curve(rows_of(tmp_path / "team"), expected, 1e-3)


def _on_one_gpu(options, mates, meeting):
    """Train as one of several processes on the first GPU. NCCL wants a GPU for each, so they meet over gloo."""
    begin = dist.init_process_group
    team._own_gpu = lambda mates: torch.device("cuda", 0)
    dist.init_process_group = lambda backend, *more, **facts: begin("gloo", *more, **facts)
    stage._work(options, mates, meeting)


@pytest.mark.parametrize("model", [PLAIN, MODEL], ids=["contrast", "batch"])
def test_two_processes_train_as_one(data, tmp_path, model):
    expected = trained(data, tmp_path / "alone", model=model)
    options = options_of(data, tmp_path / "team", model)
    options.devices = 2
    launch._start(_on_one_gpu, options, 2)
    assert_same_curve(rows_of(tmp_path / "team"), expected, 1e-3)
