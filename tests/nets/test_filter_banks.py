"""Filters of the first two layers: which they are, in any network, and what is counted of them."""

import numpy as np
import pytest
import torch
from torch import nn

from zfpipe.errors import UserError
from zfpipe.nets.filters import banks, strengths
from zfpipe.nets.models import Model, build
from zfpipe.nets.renormalise import renormalise


def a_model(network, spec, channels=3, **settings):
    zeros = torch.zeros(channels, 1, 1)
    return Model(network.eval(), spec, ["a", "b"], zeros, zeros + 1, spec["input_size"], **settings)


def test_renormalised_filters_stand_at_the_radius():
    convolution = nn.Conv2d(3, 20, 7, 2)
    with torch.no_grad():
        convolution.weight[:15] *= 100
        convolution.weight[15:] *= 1e-3
    renormalise(convolution, 0.1)
    found = strengths(convolution.weight.detach().permute(0, 2, 3, 1).numpy(), 0.1)
    assert found.at_radius == 15 / 20
    assert found.largest == pytest.approx(0.1)
    assert found.dominated == 5 / 20
    assert found.few_hold == pytest.approx(2 / 15, rel=1e-4)  # two of the fifteen that are equal


def test_rms_and_the_few():
    filters = np.ones((10, 2, 2, 1)) * np.array([3, 1, 1, 1, 1, 1, 1, 1, 1, 0.2])[:, None, None, None]
    found = strengths(filters)
    assert (found.least, found.median, found.largest) == (pytest.approx(0.2), 1, 3)
    assert found.at_radius is None
    assert found.few_hold == pytest.approx(9 / 17.04)
    assert found.dominated == 0.1


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_our_networks(channels):
    spec = {"name": "alexnet", "input_size": 80, "width": 0.05, "channels": channels}
    first, second, bank = banks(a_model(build(spec, 2), spec, channels), "it")
    assert first.filters.shape == (5, 11, 11, channels)
    assert first.stride == (4, 4)
    assert (second.name, bank.filters.shape[1:], bank.stride) == ("conv2", (5, 5, 5), (1, 1))


def test_a_network_of_torchvisions_and_bgr():
    spec = {"name": "torchvision:resnet18", "input_size": 64}
    network = build(spec, 2)
    first, second, bank = banks(a_model(network, spec, bgr=True), "it")
    assert np.array_equal(first.filters[..., ::-1], network.conv1.weight.detach().permute(0, 2, 3, 1).numpy())
    assert second.name == "layer1.0.relu"
    assert bank.filters.shape == (64, 3, 3, 64)


def test_a_first_layer_that_is_no_convolution_is_refused():
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 4), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(UserError, match=r"it: its first layer, '2', is no rectified convolution of the image"):
        banks(a_model(network, {"name": "own", "input_size": 4}), "it")


def test_a_filter_within_a_hundredth_of_the_radius_stands_at_it():
    filters = np.ones((4, 1, 1, 1)) * np.array([0.1, 0.0995, 0.098, 0.102])[:, None, None, None]
    assert strengths(filters, 0.1).at_radius == 0.5
