"""Batch normalisation over two processes against PyTorch's over the whole batch in one, up and down."""

import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing, nn

from zfpipe.nets.team import Team
from zfpipe.nets.together import SharedBatchNorm, SharedDropout, announce, spread


def norm(kind, affine):
    torch.manual_seed(3)
    made = {2: nn.BatchNorm1d, 4: nn.BatchNorm2d}[kind](5, momentum=0.3, affine=affine).double()
    for parameter in made.parameters():
        nn.init.normal_(parameter, 1.0)
    return made


def images(kind, count):
    generator = torch.Generator().manual_seed(1)
    shape = {2: (count, 5), 4: (count, 5, 3, 4)}[kind]
    return 3 + 2 * torch.randn(shape, generator=generator, dtype=torch.float64)


def looked_at(network, x, weights):
    """Return what a network gives, how a loss depends on x and on its parameters, and what it remembers."""
    x = x.clone().requires_grad_()
    out = network(x).relu_()  # in place, as after many a normalisation
    (out.sin() * weights).sum().backward()
    remembered = [value.clone() for value in network.state_dict().values()]
    return out.detach(), x.grad, [parameter.grad for parameter in network.parameters()], remembered


def member(rank, meeting, folder, kind, affine, count):
    team = Team(rank, 2)
    dist.init_process_group("gloo", meeting, rank=rank, world_size=2)
    network = spread(nn.Sequential(norm(kind, affine)), team)
    announce(network, count)
    rows = team.share.seen(count)
    counted = float(len(team.share.rows(count)) > 0)
    found = looked_at(network, images(kind, count)[rows], torch.full((len(rows), *[1] * (kind - 1)), counted))
    torch.save((rows, *found), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize(("kind", "affine", "count"), [(4, True, 5), (4, False, 4), (4, True, 1), (2, True, 7)])
def test_two_processes_normalise_as_one(tmp_path, monkeypatch, kind, affine, count):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    multiprocessing.spawn(member, (f"file://{tmp_path}/meeting", tmp_path, kind, affine, count), nprocs=2)
    whole = images(kind, count)
    out, below, gradients, remembered = looked_at(nn.Sequential(norm(kind, affine)), whole, torch.ones(()))
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=False) for rank in range(2)]
    for rows, its_out, _, _, its_memory in parts:
        torch.testing.assert_close(its_out, out[rows])
        torch.testing.assert_close(its_memory, remembered)
    for rank, (rows, _, its_below, *_) in enumerate(parts):
        counted = len(Team(rank, 2).share.rows(count)) > 0  # of one image the second process has none
        torch.testing.assert_close(its_below, below[rows] if counted else torch.zeros_like(its_below))
    summed = [sum(each) for each in zip(*(part[3] for part in parts), strict=True)]
    torch.testing.assert_close(summed, gradients)


def test_a_layer_that_stands_in_two_places_is_replaced_in_both():
    norm, dropout = nn.BatchNorm2d(5), nn.Dropout()
    network = spread(nn.Sequential(norm, dropout, nn.Sequential(norm), norm, dropout), Team(0, 2))
    kinds = [type(layer) for layer in (network[0], network[2][0], network[3], network[1], network[4])]
    assert kinds == 3 * [SharedBatchNorm] + 2 * [SharedDropout]
    network[0].running_mean += 1
    assert network[3].running_mean is network[0].running_mean
    assert len(list(network.parameters())) == 2


def test_dropout_of_everything_leaves_zeros():
    network = spread(nn.Sequential(nn.Dropout(1.0)), Team(1, 2))
    announce(network, 4)
    assert not network(torch.ones(2, 5)).any()


@pytest.mark.parametrize("make", [nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d])
def test_dropout_of_a_share_is_that_of_the_whole_batch(make):
    x = torch.ones(7, 5, *[2] * {nn.Dropout: 2, nn.Dropout1d: 1, nn.Dropout2d: 2, nn.Dropout3d: 3}[make])
    torch.manual_seed(0)
    whole = make(0.4)(x)
    assert 0 < (whole == 0).sum() < whole.numel()
    for rank in range(2):
        network, team = nn.Sequential(make(0.4)), Team(rank, 2)
        network = spread(network, team)
        announce(network, len(x))
        rows = team.share.seen(len(x))
        torch.manual_seed(0)
        assert torch.equal(network(x[rows]), whole[rows])
